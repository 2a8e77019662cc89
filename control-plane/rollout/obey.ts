import { end, enter, goOn, goOnWaiting, rejected } from "./advance.ts";
import { approvalRefusal, approve } from "./approvals.ts";
import { isFinal, type Ending, type RolloutCommandInput, type RolloutProgress } from "./progress.ts";
import type { CommandRefusal } from "./refusal.ts";
import { commanded, isWaveCommand, obeyWaveCommand, waveCommandRefusal, type CellStanding } from "./wave-commands.ts";

/**
 * Whether a command may be given now; null when it may. The synchronous validator of the workflow's update.
 * A repeated command is refused, not ignored, so that nobody believes to have done what somebody else did.
 * @param now milliseconds since 1970.
 * @param cells where the rollout's cells stand, for commands about one.
 */
export function refusalOf(
  progress: RolloutProgress,
  input: RolloutCommandInput,
  now: number,
  cells: readonly CellStanding[] = [],
): CommandRefusal | null {
  const { state, paused, ending } = progress;
  const meant = boundRefusal(progress, input);
  if (meant !== null) return meant;
  if (isFinal(state)) return { code: "rollout-ended", detail: `the rollout is ${state}` };
  if (input.command === "stop-the-line") return progress.stopped ? wrongState("it has stopped with the line") : null;
  if (input.command === "release-the-line")
    return progress.stopped ? null : wrongState("it has not stopped with the line");
  if (state === "rolling-back") return wrongState("a roll-back is under way, and nothing stops it half-way");
  if (isWaveCommand(input.command)) return waveCommandRefusal(progress, { ...input, command: input.command }, cells);

  switch (input.command) {
    case "pause":
      if (paused) return wrongState("the rollout is paused already");
      if (state === "halted") return wrongState("the rollout is halted, which is more than paused");
      return ending === null ? null : wrongState(`the rollout is about to be ${endingText[ending]}`);
    case "resume":
      return resumeRefusal(progress);
    case "halt":
      if (state === "halted" || ending === "halted") return wrongState("the rollout is halted already");
      return ending === null ? null : wrongState(`the rollout is about to be ${endingText[ending]}`);
    case "roll-back":
      if (!progress.reversible) return { code: "not-reversible", detail: "its migrations cannot be undone" };
      return ending === "rolling-back" ? wrongState("the roll-back is about to begin") : null;
    case "cancel":
      return ending === "rolling-back" || ending === "cancelled"
        ? wrongState(`the rollout is about to be ${endingText[ending]}`)
        : null;
    case "approve":
    case "reject": {
      const { approvals, approvalPolicy } = progress;
      if (progress.waitingFor !== "approval" || approvals === null || approvalPolicy === null)
        return wrongState("the rollout does not wait for approval");
      return approvalRefusal(
        approvalPolicy,
        approvals,
        { ...input, command: input.command },
        progress.requestedBy,
        now,
      );
    }
    default:
      return input.command satisfies never;
  }
}

/** Whether the command was meant for this plan, this wave and this state of it. */
function boundRefusal(progress: RolloutProgress, input: RolloutCommandInput): CommandRefusal | null {
  const { planHash, wave, revision, since, state } = progress;
  if (input.planHash !== null && input.planHash !== planHash)
    return { code: "plan-differs", detail: `the rollout's plan is ${planHash}` };
  if (input.wave !== undefined && input.wave !== wave)
    return {
      code: "wave-differs",
      detail: `the rollout is ${state} ${wave === null ? "before its first wave" : `in wave ${wave}`}`,
    };
  if (input.revision !== null && (input.revision < since || input.revision > revision))
    return { code: "revision-differs", detail: `the rollout is at revision ${revision}, and as it is since ${since}` };
  return null;
}

/**
 * The progress after a command. Pure, and free of Node's modules: it runs inside the workflow sandbox.
 *   pause      begins nothing new
 *   resume     ends a pause; goes on after a halt; bakes again where a decision is waited for (gates judge anew, none is skipped)
 *   halt       freezes in place
 *   roll-back  undoes all waves
 *   cancel     ends the rollout; cells that were changed keep the release
 *   approve    counts towards the approvals of the wave at hand; enough of them begin it
 *   reject     begins it not: before the first wave the rollout is cancelled, later it is halted
 *   stop-the-line, release-the-line  begins nothing new, as all rollouts, until it is released
 * and those of `wave-commands.ts`.
 * @throws TypeError when `refusalOf` would refuse it.
 */
export function obey(
  progress: RolloutProgress,
  input: RolloutCommandInput,
  now: number,
  cells: readonly CellStanding[] = [],
): RolloutProgress {
  const refusal = refusalOf(progress, input, now, cells);
  if (refusal !== null) throw new TypeError(`${refusal.code}: ${refusal.detail}`);
  if (isWaveCommand(input.command)) return obeyWaveCommand(progress, { ...input, command: input.command });

  switch (input.command) {
    case "pause":
      return commanded(progress, { paused: true });
    case "resume":
      return resume(progress);
    case "halt":
      return endWhenSettled(progress, "halted", input.reason);
    case "roll-back":
      return endWhenSettled(progress, "rolling-back", input.reason);
    case "cancel":
      return endWhenSettled(progress, "cancelled", input.reason);
    case "approve":
      return approved(progress, input.actor);
    case "reject":
      return rejected({ ...progress, reason: input.reason ?? `rejected by ${input.actor}` });
    case "stop-the-line":
    case "release-the-line":
      return commanded(progress, { stopped: input.command === "stop-the-line" });
    default:
      return input.command satisfies never;
  }
}

const endingText: Readonly<Record<Ending, string>> = {
  halted: "halted",
  "rolling-back": "rolled back",
  cancelled: "cancelled",
};

function approved(progress: RolloutProgress, actor: string): RolloutProgress {
  const { approvals, approvalPolicy } = progress;
  if (approvals === null || approvalPolicy === null) throw new TypeError("no approval was asked for");
  const next = approve(approvalPolicy, approvals, actor);
  if (!next.enough) return commanded(progress, { approvals: next.approvals });
  return goOnWaiting({ ...progress, approvedWaves: [...progress.approvedWaves, approvals.wave] });
}

function resumeRefusal(progress: RolloutProgress): CommandRefusal | null {
  if (progress.failed && progress.waitingFor === "decision")
    return wrongState("a gate has failed and the wave went back; roll back the others, or cancel so that they stay");
  if (progress.ending === "halted" || progress.paused || progress.waitingFor === "decision") return null;
  if (progress.state !== "halted")
    return wrongState("the rollout is neither paused nor halted nor waiting for a decision");
  return progress.goOn === null ? wrongState("it was halted by a failed gate; roll forward with a new release") : null;
}

function resume(progress: RolloutProgress): RolloutProgress {
  if (progress.state === "halted") return goOn(progress);
  if (progress.paused || progress.ending !== null) return commanded(progress, { paused: false, ending: null });
  return enter(progress, { state: "baking", reason: null });
}

function endWhenSettled(progress: RolloutProgress, ending: Ending, reason: string | null): RolloutProgress {
  const told = { ...progress, reason: reason ?? progress.reason, undoing: "all" as const };
  return progress.state === "deploying" ? commanded(told, { ending }) : end(told, ending);
}

function wrongState(detail: string): CommandRefusal {
  return { code: "not-in-this-state", detail };
}
