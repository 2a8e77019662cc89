import { setTimeout as sleep } from "node:timers/promises";
import Type from "typebox";
import { RolloutCommandRequest, RolloutList, StartRollout } from "../../common/contracts/control-plane.ts";
import { OperationIdSchema } from "../../common/contracts/ids.ts";
import { Problem } from "../../common/contracts/problem.ts";
import { finalRolloutStates, Rollout, type CommandInput, type RolloutState } from "../../common/contracts/rollout.ts";
import type { Server } from "../../common/http/server.ts";
import type { OperationId } from "../../common/ids.ts";
import { CellplaneError } from "../../common/errors.ts";
import { personOf } from "../auth/access.ts";
import { fail } from "../errors.ts";
import { change } from "../registry/change.ts";
import { beginRollout, cancelWithoutWorkflow, showRollout } from "../registry/rollouts.ts";
import { listRollouts } from "../registry/rollouts.store.ts";
import { answers } from "./answers.ts";
import type { ApiContext } from "./context.ts";
import { planFor, refuseSecond, storedPlan } from "./rollout-plan.ts";

const listLimit = 20;
/** How long a command's answer waits for the registry to show what it did. */
const showMs = 2_000;
const byId = Type.Object({ id: OperationIdSchema }, { additionalProperties: false });

/** Rollouts: rows first; Temporal then runs them. */
export function rolloutRoutes(server: Server, context: ApiContext): void {
  const { pool, engine } = context;

  server.route({
    method: "GET",
    url: "/v1/rollouts",
    config: { access: "viewer" },
    schema: { summary: "List the latest rollouts", response: answers(RolloutList) },
    handler: async () => ({ rollouts: await listRollouts(pool, listLimit) }),
  });

  server.route({
    method: "POST",
    url: "/v1/rollouts",
    config: { access: "operator" },
    schema: {
      summary: "Plan a rollout and start it; accepted also while Temporal is away for a moment",
      body: StartRollout,
      response: { 202: Rollout, "4xx": Problem, "5xx": Problem },
    },
    handler: async (request, reply) => {
      const { plan: hash, release } = request.body;
      await refuseSecond(context, request.body);
      const plan = hash === undefined ? await planFor(context, request.body) : await storedPlan(context, hash, release);
      if (!engine.isConfigured) throw temporalMissing(context);
      const rollout = await beginRollout(context, { actor: personOf(request).name, reason: request.body.reason }, plan);
      context.starter.signal();
      return reply.code(202).send(rollout);
    },
  });

  server.route({
    method: "GET",
    url: "/v1/rollouts/latest",
    config: { access: "viewer" },
    schema: { summary: "Show the latest rollout", response: answers(Rollout) },
    handler: async () => await showRollout(pool, "latest"),
  });

  server.route({
    method: "GET",
    url: "/v1/rollouts/:id",
    config: { access: "viewer" },
    schema: { summary: "Show a rollout", params: byId, response: answers(Rollout) },
    handler: async ({ params }) => await showRollout(pool, params.id),
  });

  server.route({
    method: "POST",
    url: "/v1/rollouts/:id/commands",
    config: { access: "operator" },
    schema: { summary: "Command a rollout", params: byId, body: RolloutCommandRequest, response: answers(Rollout) },
    handler: async (request) => {
      const { reason, planHash, revision, ...rest } = request.body;
      const actor = personOf(request).name;
      await obey(context, request.params.id, {
        ...rest,
        actor,
        reason: reason ?? null,
        revision: revision ?? null,
        // Always with the plan, so that a command never reaches the rollout after the one that was meant.
        planHash: planHash ?? (await showRollout(pool, request.params.id)).plan.hash,
      });
      return await showRollout(pool, request.params.id);
    },
  });
}

function temporalMissing(context: ApiContext): CellplaneError {
  const why = context.temporalMissing === "" ? "this fleet was started without it" : context.temporalMissing;
  return fail("temporal-missing", `Rollouts are workflows of Temporal: ${why}.`);
}

async function obey(context: ApiContext, id: OperationId, input: CommandInput): Promise<void> {
  const rollout = await showRollout(context.pool, id);
  if (isFinal(rollout.state)) throw fail("rollout-over", `The rollout is ${rollout.state}.`);
  const cause = { actor: input.actor, reason: input.reason ?? undefined };
  if (input.command === "cancel" && (await cancelWithoutWorkflow(context, cause, id, "unstarted"))) return;
  if (!context.engine.isConfigured) throw temporalMissing(context);
  const target = input.cell === undefined ? rollout.release : `${rollout.release} in ${input.cell}`;
  const note = (refused: boolean, reason: string | null): Promise<unknown> =>
    change(context, cause, async (step) =>
      step.audit(`rollout.${input.command}`, target, { operation: id, refused, reason }),
    );
  let after: Rollout;
  try {
    after = await context.engine.command(rollout, input);
  } catch (error) {
    if (!(error instanceof CellplaneError)) throw error;
    const isOrphan = error.code === "workflow-gone" && input.command === "cancel";
    if (isOrphan && (await cancelWithoutWorkflow(context, cause, id, "orphaned"))) return;
    if (error.code === "workflow-gone" && rollout.state === "planned") {
      throw fail("command-refused", "The rollout has not begun yet; try again in a moment.", { cause: error });
    }
    if (error.code === "command-refused") await note(true, error.message);
    throw error;
  }
  await note(false, input.reason);
  await untilShown(context, after);
}

/** The workflow writes the registry itself, a moment after it took the command. */
async function untilShown({ pool }: ApiContext, after: Rollout): Promise<void> {
  const deadline = performance.now() + showMs;
  while (performance.now() < deadline) {
    if ((await showRollout(pool, after.id)).revision >= after.revision) return;
    await sleep(50);
  }
}

function isFinal(state: RolloutState): boolean {
  return (finalRolloutStates as readonly RolloutState[]).includes(state);
}
