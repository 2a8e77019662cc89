import { setTimeout as sleep } from "node:timers/promises";
import type { RolloutCommandRequest, StartRollout } from "../../../common/contracts/control-plane.ts";
import type { OverrideVerdict, Rollout, RolloutCommand } from "../../../common/contracts/rollout.ts";
import type { CellId, ReleaseName } from "../../../common/ids.ts";
import { isWaveCommand } from "../../../control-plane/rollout/wave-commands.ts";
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
  readonly cell?: string;
  readonly seconds?: number;
  readonly verdict?: OverrideVerdict;
  /** The wave and the revision that it was decided on, where that was not just now. */
  readonly wave?: number;
  readonly revision?: number;
}

/**
 * `rollout pause|resume|halt|…`. It names the plan that it was meant for, so that it never hits another rollout's; one about the wave at hand names wave and
 * revision too, so that it never hits the next wave.
 */
export async function sendCommand(context: Context, input: CommandChoice): Promise<Answer> {
  const plane = await context.controlPlane();
  const { command, reason, cell, seconds, verdict } = input;
  const { id, plan, revision, wave } = await readRollout(plane, input.id);
  const isBound = isWaveCommand(command) || input.wave !== undefined || input.revision !== undefined;
  const body: RolloutCommandRequest = {
    command,
    planHash: plan.hash,
    ...(isBound ? { wave: input.wave ?? wave, revision: input.revision ?? revision } : {}),
    ...(reason === undefined ? {} : { reason }),
    ...(cell === undefined ? {} : { cell: cell as CellId }),
    ...(seconds === undefined ? {} : { seconds }),
    ...(verdict === undefined ? {} : { verdict }),
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
