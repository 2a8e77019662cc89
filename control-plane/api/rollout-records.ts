import Type from "typebox";
import {
  PlanRollout,
  RolloutExplanation,
  RolloutWhatIf,
  RolloutWhatIfAnswer,
} from "../../common/contracts/rollout-records.ts";
import { OperationIdSchema, Sha256Schema } from "../../common/contracts/ids.ts";
import { Problem } from "../../common/contracts/problem.ts";
import { RolloutPlan } from "../../common/contracts/rollout.ts";
import type { Server } from "../../common/http/server.ts";
import type { OperationId } from "../../common/ids.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { personOf } from "../auth/access.ts";
import { fail } from "../errors.ts";
import { change } from "../registry/change.ts";
import { findPlan, insertPlan } from "../registry/plans.store.ts";
import { showRollout } from "../registry/rollouts.ts";
import { readWatch } from "../registry/watches.ts";
import { watchNumbers } from "../registry/watches.store.ts";
import { policyWith } from "../rollout/policy.ts";
import { rejudge } from "../rollout/what-if.ts";
import { answers } from "./answers.ts";
import type { ApiContext } from "./context.ts";
import { planFor } from "./rollout-plan.ts";

const byId = Type.Object({ id: OperationIdSchema }, { additionalProperties: false });
const byHash = Type.Object({ hash: Sha256Schema }, { additionalProperties: false });

/** What rollouts are planned and judged by: plans before, explain records after. */
export function rolloutRecordRoutes(server: Server, context: ApiContext): void {
  const { pool } = context;

  server.route({
    method: "POST",
    url: "/v1/rollouts/plans",
    config: { access: "operator" },
    schema: {
      summary: "Plan a rollout without starting it; the same request on the same fleet is the same plan",
      body: PlanRollout,
      response: { 201: RolloutPlan, "4xx": Problem, "5xx": Problem },
    },
    handler: async (request, reply) => {
      const plan = await planFor(context, request.body);
      const actor = personOf(request).name;
      await change(context, { actor }, async (step) => {
        await insertPlan(step.tx, plan, actor);
        step.audit("rollout.plan", `${plan.release} (${plan.hash})`);
      });
      return reply.code(201).send(plan);
    },
  });

  server.route({
    method: "GET",
    url: "/v1/rollouts/plans/:hash",
    config: { access: "viewer" },
    schema: { summary: "Show a stored plan", params: byHash, response: answers(RolloutPlan) },
    handler: async ({ params }) => {
      const plan = await findPlan(pool, params.hash);
      if (plan === null) throw fail("unknown-plan", `There is no plan ${params.hash}.`);
      return plan;
    },
  });

  server.route({
    method: "GET",
    url: "/v1/rollouts/:id/explain",
    config: { access: "viewer" },
    schema: {
      summary: "Explain a rollout: every decision, and every look that it rests on",
      params: byId,
      response: answers(RolloutExplanation),
    },
    handler: async ({ params }) => {
      const { id, release, state, plan, history } = await showRollout(pool, params.id);
      const decisions = history.flatMap(({ at, event, wave, verdict }) =>
        verdict === undefined ? [] : [{ at, event, wave, verdict }],
      );
      return { id, release, state, plan: plan.hash, decisions, watches: await watchesOf(pool, id) };
    },
  });

  server.route({
    method: "POST",
    url: "/v1/rollouts/:id/what-if",
    config: { access: "viewer" },
    schema: {
      summary: "Judge a rollout's bakes by another policy; changes nothing",
      params: byId,
      body: RolloutWhatIf,
      response: answers(RolloutWhatIfAnswer),
    },
    handler: async ({ params, body }) => {
      const { id, plan } = await showRollout(pool, params.id);
      const judging = { ...plan.policy.judging, ...body.policy.judging };
      const policy = policyWith({ ...plan.policy, ...body.policy, judging });
      const bakes = (await watchesOf(pool, id)).filter(({ purpose, looks }) => purpose === "bake" && looks.length > 0);
      return {
        id,
        policy,
        bakes: bakes.map((watch) => {
          const { verdict: would, afterSeconds } = rejudge(watch, policy);
          const was = rejudge(watch, plan.policy).verdict;
          return { wave: watch.wave, watch: watch.number, looks: watch.looks.length, was, would, afterSeconds };
        }),
      };
    },
  });
}

async function watchesOf(pool: Pool, id: OperationId) {
  const numbers = await watchNumbers(pool, id);
  return await Promise.all(numbers.map((number) => readWatch(pool, id, number)));
}
