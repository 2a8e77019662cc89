import { longestExtensionSeconds, type CellStep } from "../../common/contracts/rollout.ts";
import type { CellId } from "../../common/ids.ts";
import { enter, fail, goOnWaiting, pass } from "./advance.ts";
import type { RolloutCommandInput, RolloutProgress } from "./progress.ts";
import type { CommandRefusal } from "./refusal.ts";

/** Where a cell stands, for commands about it. */
export interface CellStanding {
  readonly cell: CellId;
  readonly wave: number;
  readonly step: CellStep;
  /** It is being changed, whether or not its first step was heard of. */
  readonly isBusy: boolean;
  /** The fleet has it no more. */
  readonly isGone: boolean;
}

/** Commands that would do harm in another wave than they were meant for: they name wave and revision that were looked at. */
export const waveCommands = ["extend-bake", "end-bake", "skip-cell", "retry-cell", "override"] as const;
export type WaveCommand = (typeof waveCommands)[number];

export function isWaveCommand(command: RolloutCommandInput["command"]): command is WaveCommand {
  return (waveCommands as readonly string[]).includes(command);
}

/** Why a command about the wave at hand may not be given; null when it may. */
export function waveCommandRefusal(
  progress: RolloutProgress,
  input: RolloutCommandInput & { readonly command: WaveCommand },
  cells: readonly CellStanding[],
): CommandRefusal | null {
  const { command } = input;
  if (input.planHash === null || input.wave === undefined || input.revision === null)
    return incomplete(`${command} names the plan, the wave and the revision that were looked at`);
  switch (command) {
    case "extend-bake":
      return extendRefusal(progress, input.seconds);
    case "end-bake":
      return bakeRefusal(progress);
    case "skip-cell":
      return skipRefusal(input.cell, cells);
    case "retry-cell":
      return retryRefusal(progress, input.cell, cells);
    case "override":
      return overrideRefusal(progress, input, cells);
    default:
      return command satisfies never;
  }
}

/**
 * The progress after a command about the wave at hand; what becomes of a cell is its caller's.
 *   extend-bake  the bake lasts longer
 *   end-bake     the bake is over and judged by what was seen: no gate is skipped
 *   skip-cell    a cell that was not begun is left as it is
 *   retry-cell   a cell that was left out, or failed, is changed once more, and the wave bakes again
 *   override     PASS: the wave counts as good, or begins in spite of a window; FAIL: as if the judge had said it
 */
export function obeyWaveCommand(
  progress: RolloutProgress,
  input: RolloutCommandInput & { readonly command: WaveCommand },
): RolloutProgress {
  switch (input.command) {
    case "extend-bake":
      return commanded(progress, { bakeExtraSeconds: progress.bakeExtraSeconds + (input.seconds ?? 0) });
    case "end-bake":
      return commanded(progress, { bakeEnded: true });
    case "skip-cell":
      return commanded(progress, {});
    case "retry-cell":
      return isWatched(progress) || progress.state === "halted"
        ? enter(progress, { state: "deploying", reason: null, failed: false, goOn: null })
        : commanded(progress, {});
    case "override":
      return overridden(progress, input);
    default:
      return input.command satisfies never;
  }
}

/** A command that leaves the state: whoever looked before it has seen another one. */
export function commanded(progress: RolloutProgress, changes: Partial<RolloutProgress>): RolloutProgress {
  const revision = progress.revision + 1;
  return { ...progress, ...changes, revision, since: revision };
}

function extendRefusal(progress: RolloutProgress, seconds: number | undefined): CommandRefusal | null {
  if (seconds === undefined) return incomplete("extend-bake says by how many seconds");
  if (progress.bakeExtraSeconds + seconds > longestExtensionSeconds)
    return wrongState(
      `the bake was made ${progress.bakeExtraSeconds} s longer already; ${longestExtensionSeconds} s is the most`,
    );
  return bakeRefusal(progress);
}

function bakeRefusal({ state, bakeEnded, wave }: RolloutProgress): CommandRefusal | null {
  if (state !== "baking") return wrongState(`no wave bakes: the rollout is ${state}`);
  return bakeEnded ? wrongState(`the bake of wave ${wave} is about to end`) : null;
}

function skipRefusal(id: CellId | undefined, cells: readonly CellStanding[]): CommandRefusal | null {
  const cell = standingOf(id, cells);
  if ("code" in cell) return cell;
  if (cell.isBusy) return notThat(cell, "is being changed, and is never left half-way");
  return cell.step === "pending" ? null : notThat(cell, `is ${cell.step}, not pending`);
}

function retryRefusal(
  progress: RolloutProgress,
  id: CellId | undefined,
  cells: readonly CellStanding[],
): CommandRefusal | null {
  const cell = standingOf(id, cells);
  if ("code" in cell) return cell;
  if (cell.isGone) return notThat(cell, "is not in the fleet any more");
  if (cell.isBusy) return notThat(cell, "is being changed");
  if (cell.wave !== progress.wave)
    return notThat(cell, `belongs to wave ${cell.wave}; wave ${progress.wave} is at hand`);
  const wasChanged = cell.step === "failed" || cell.step === "rolled-back" || cell.step === "indeterminate";
  if (!wasChanged && cell.step !== "skipped") return notThat(cell, `is ${cell.step}: there is nothing to try again`);
  if (progress.state === "halted" && !(wasChanged && progress.goOn === null))
    return wrongState("the rollout is halted; resume it first");
  if (progress.state !== "halted" && progress.failed) return wrongState("a gate has failed: nothing goes forward");
  return null;
}

function overrideRefusal(
  progress: RolloutProgress,
  input: RolloutCommandInput,
  cells: readonly CellStanding[],
): CommandRefusal | null {
  const { state, waitingFor, failed, ending } = progress;
  if (input.verdict === undefined) return incomplete("override names its verdict, PASS or FAIL");
  if (input.reason === null || input.reason.trim() === "") return incomplete("override says why");
  if (ending !== null) return wrongState("the rollout is about to end otherwise");
  if (input.verdict === "FAIL") {
    if (failed) return wrongState("the release has failed already");
    if (!cells.some(({ step }) => step === "deployed")) return wrongState("no cell has the release yet");
    return isWatched(progress) || state === "waiting" ? null : wrongState(`the rollout is ${state}; halt it first`);
  }
  switch (state) {
    case "waiting":
      if (waitingFor === "window") return null;
      if (waitingFor === "approval")
        return wrongState("approvals are given by those whom the plan names, by nobody else");
      if (waitingFor === "moves") return wrongState("another operation holds a cell; end that one");
      return failed ? wrongState("the wave went back already; there is nothing to let pass") : null;
    case "halted":
      if (!isFrozen(progress)) return wrongState("nothing failed; resume it");
      return cells.some(({ wave, step }) => wave === progress.wave && step !== "deployed" && step !== "skipped")
        ? wrongState("not every cell of the wave has the release; retry-cell first")
        : null;
    default:
      return wrongState(`no verdict stands in its way: the rollout is ${state}`);
  }
}

function overridden(progress: RolloutProgress, input: RolloutCommandInput): RolloutProgress {
  const reason = input.reason ?? "";
  const untold = { verdict: input.verdict ?? "FAIL", reason: `${input.actor} overrode the judge: ${reason}` } as const;
  if (untold.verdict === "FAIL") return fail({ ...progress, untold }, untold.reason);
  if (progress.waitingFor === "window")
    return goOnWaiting({ ...progress, forcedWaves: [...progress.forcedWaves, progress.wave ?? 1] });
  return pass({ ...progress, failed: false, goOn: null, untold: isFrozen(progress) ? untold : null });
}

/** Frozen in place by a FAIL of a release that cannot go back. */
function isFrozen({ state, failed, goOn }: RolloutProgress): boolean {
  return state === "halted" && failed && goOn === null;
}

/** Its cells have the release and are judged, with nothing but time or a person to wait for. */
function isWatched({ state, waitingFor }: RolloutProgress): boolean {
  return state === "verifying" || state === "baking" || (state === "waiting" && waitingFor === "decision");
}

function standingOf(id: CellId | undefined, cells: readonly CellStanding[]): CellStanding | CommandRefusal {
  if (id === undefined) return incomplete("it names the cell");
  const cell = cells.find((one) => one.cell === id);
  return cell ?? { code: "not-that-cell", detail: `${id} is not part of this rollout` };
}

function notThat({ cell }: CellStanding, what: string): CommandRefusal {
  return { code: "not-that-cell", detail: `${cell} ${what}` };
}

function incomplete(detail: string): CommandRefusal {
  return { code: "command-incomplete", detail };
}

function wrongState(detail: string): CommandRefusal {
  return { code: "not-in-this-state", detail };
}
