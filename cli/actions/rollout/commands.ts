import { setTimeout as sleep } from "node:timers/promises";
import type { RolloutCommandRequest, StartRollout } from "../../../common/contracts/control-plane.ts";
import type { Rollout, RolloutCommand } from "../../../common/contracts/rollout.ts";
import type { ReleaseName } from "../../../common/ids.ts";
import type { Answer, Context } from "../../context.ts";
import type { ControlPlane } from "../../control-plane.ts";
import { type ExitCode, exitCodes } from "../../exit.ts";
import { entryText } from "./changes.ts";
import { coloured } from "./colour.ts";
import { endingOf } from "./ending.ts";
import { policyOf, type PolicyInput } from "./plan.ts";
import { rolloutTree } from "./tree.ts";
import { watchRollout } from "./watch.ts";

/** How long an accepted command may take to reach the registry before the older state is shown. */
const hearsayLimitMs = 10_000;

interface StartInput extends PolicyInput {
  readonly release: string;
  readonly plan?: string;
  readonly reason?: string;
  readonly watch?: boolean;
}

/** `rollout start` */
export async function startRollout(context: Context, input: StartInput): Promise<Answer> {
  const plane = await context.controlPlane();
  const policy = policyOf(input);
  const body: StartRollout = {
    release: input.release as ReleaseName,
    ...(Object.keys(policy).length === 0 ? {} : { policy }),
    ...(input.plan === undefined ? {} : { plan: input.plan }),
    ...(input.reason === undefined ? {} : { reason: input.reason }),
  };
  return await answer(context, plane, await plane.post<Rollout>("/v1/rollouts", body), input.watch === true);
}

/** `rollout show` */
export async function showRollout(
  context: Context,
  input: { readonly id?: string; readonly watch?: boolean },
): Promise<Answer> {
  const plane = await context.controlPlane();
  return await answer(context, plane, await readRollout(plane, input.id), input.watch === true);
}

interface CommandChoice {
  readonly command: RolloutCommand;
  readonly id?: string;
  readonly reason?: string;
  readonly watch?: boolean;
}

/** `rollout pause|resume|halt|roll-back|cancel|approve|reject`. It names the plan that it was meant for, so that it never hits another rollout's. */
export async function sendCommand(context: Context, input: CommandChoice): Promise<Answer> {
  const plane = await context.controlPlane();
  const { id, plan, revision } = await readRollout(plane, input.id);
  const body: RolloutCommandRequest = {
    command: input.command,
    planHash: plan.hash,
    ...(input.reason === undefined ? {} : { reason: input.reason }),
  };
  await plane.post<unknown>(`/v1/rollouts/${id}/commands`, body);
  return await answer(context, plane, await readLater(plane, id, revision), input.watch === true);
}

/** The rollout once the registry has heard of a command: the workflow takes it first, and tells the registry then. */
async function readLater(plane: ControlPlane, id: string, revision: number): Promise<Rollout> {
  const until = performance.now() + hearsayLimitMs;
  for (;;) {
    const rollout = await readRollout(plane, id);
    if (rollout.revision !== revision || performance.now() > until) return rollout;
    await sleep(200);
  }
}

async function readRollout(plane: ControlPlane, id: string | undefined): Promise<Rollout> {
  return await plane.get<Rollout>(`/v1/rollouts/${id === undefined ? "latest" : encodeURIComponent(id)}`);
}

async function answer(context: Context, plane: ControlPlane, rollout: Rollout, watch: boolean): Promise<Answer> {
  if (!watch) return { json: rollout, text: rolloutText(context, rollout) };
  const ended = await watchRollout(context, plane, rollout);
  const exit = endingOf(ended) ?? exitCodes.done;
  return { json: ended, text: context.piped ? lastLine(ended, exit) : shownTree(context, ended).join("\n"), exit };
}

/** What a pipe is told at the end, as JSON. */
function lastLine({ id, release, state, waitingFor, reason, updatedAt }: Rollout, exit: ExitCode): string {
  return JSON.stringify({ kind: "end", at: updatedAt, id, release, state, waitingFor, reason, exit });
}

function shownTree(context: Context, rollout: Rollout): string[] {
  const tree = rolloutTree(rollout, Date.now());
  return context.terminal === null ? tree : tree.map(coloured);
}

function rolloutText(context: Context, rollout: Rollout): string {
  const tree = shownTree(context, rollout);
  return [...tree, "", "History:", ...rollout.history.map((entry) => `  ${entryText(entry)}`)].join("\n");
}
