import { end, goOn, goOnWaiting, rejected } from "./advance.ts";
import { approvalRefusal, approve } from "./approvals.ts";
import { isFinal, type Ending, type RolloutCommandInput, type RolloutProgress } from "./progress.ts";
import type { CommandRefusal } from "./refusal.ts";

/**
 * Whether a command may be given now; null when it may. The synchronous validator of the workflow's update.
 * A repeated command is refused, not ignored, so that nobody believes to have done what somebody else did.
 * @param now milliseconds since 1970.
 */
export function refusalOf(progress: RolloutProgress, input: RolloutCommandInput, now: number): CommandRefusal | null {
  const { state, paused, ending } = progress;
  if (input.planHash !== null && input.planHash !== progress.planHash) {
    return { code: "plan-differs", detail: `the rollout's plan is ${progress.planHash}` };
  }
  if (input.revision !== null && input.revision !== progress.revision) {
    return { code: "revision-differs", detail: `the rollout is at revision ${progress.revision}` };
  }
  if (isFinal(state)) return { code: "rollout-ended", detail: `the rollout is ${state}` };
  if (state === "rolling-back") return wrongState("a roll-back is under way, and nothing stops it half-way");

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

/**
 * The progress after a command. Pure, and free of Node's modules: it runs inside the workflow sandbox.
 *   pause      begins nothing new
 *   resume     ends a pause; goes on after a halt; bakes again where a decision is waited for (gates judge anew, none is skipped)
 *   halt       freezes in place
 *   roll-back  undoes all waves
 *   cancel     ends the rollout; cells that were changed keep the release
 *   approve    counts towards the approvals of the wave at hand; enough of them begin it
 *   reject     begins it not: before the first wave the rollout is cancelled, later it is halted
 * @throws TypeError when `refusalOf` would refuse it.
 */
export function obey(progress: RolloutProgress, input: RolloutCommandInput, now: number): RolloutProgress {
  const refusal = refusalOf(progress, input, now);
  if (refusal !== null) throw new TypeError(`${refusal.code}: ${refusal.detail}`);

  switch (input.command) {
    case "pause":
      return changed(progress, { paused: true });
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
  if (!next.enough) return changed(progress, { approvals: next.approvals });
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
  if (progress.paused || progress.ending !== null) return changed(progress, { paused: false, ending: null });
  return changed(progress, { state: "baking", waitingFor: null, waitUntil: null, reason: null });
}

function endWhenSettled(progress: RolloutProgress, ending: Ending, reason: string | null): RolloutProgress {
  const told = { ...progress, reason: reason ?? progress.reason, undoing: "all" as const };
  return progress.state === "deploying" ? changed(told, { ending }) : end(told, ending);
}

function changed(progress: RolloutProgress, changes: Partial<RolloutProgress>): RolloutProgress {
  return { ...progress, ...changes, revision: progress.revision + 1 };
}

function wrongState(detail: string): CommandRefusal {
  return { code: "not-in-this-state", detail };
}
