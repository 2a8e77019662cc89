import type { Ending, GoOn, RolloutEvent, RolloutProgress } from "./progress.ts";

/**
 * The progress after an event. Pure, and free of Node's modules: it runs inside the workflow sandbox.
 * @throws TypeError for an event that cannot happen in this state: the workflow, not a person, is wrong.
 */
export function advance(progress: RolloutProgress, event: RolloutEvent): RolloutProgress {
  switch (event.kind) {
    case "began":
      expect(progress, event, progress.state === "planned");
      return enter(progress, { state: "deploying", wave: 1 });
    case "wave-deployed":
      expect(progress, event, progress.state === "deploying");
      return settle(enter(progress, { state: "verifying" }));
    case "wave-empty":
      expect(progress, event, progress.state === "deploying" && progress.ending === null);
      return pass(progress);
    case "wave-failed":
      expect(progress, event, progress.state === "deploying");
      return fail(progress, event.reason);
    case "wave-verified":
      expect(progress, event, progress.state === "verifying");
      return enter(progress, { state: "baking" });
    case "judged":
      return judged(progress, event);
    case "waits":
      expect(progress, event, mayWait(progress));
      return settle(
        enter(progress, { state: "waiting", waitingFor: event.for, waitUntil: event.until, reason: event.reason }),
      );
    case "asks":
      expect(progress, event, mayWait(progress));
      return settle(
        enter(progress, {
          state: "waiting",
          waitingFor: "approval",
          waitUntil: event.approvals.expiresAt,
          approvals: event.approvals,
          reason: `wave ${event.approvals.wave} waits for approval`,
        }),
      );
    case "wait-over":
      expect(progress, event, progress.state === "waiting" && progress.waitingFor !== "decision");
      return goOnWaiting(progress);
    case "rejected":
      expect(progress, event, progress.state === "waiting" && progress.waitingFor === "approval");
      return rejected({ ...progress, reason: event.reason });
    case "joined":
      expect(
        progress,
        event,
        (progress.state === "baking" || progress.state === "deploying") && progress.wave === progress.waves,
      );
      return { ...progress, waves: progress.waves + 1, revision: progress.revision + 1 };
    case "wave-rolled-back":
      expect(progress, event, progress.state === "rolling-back" && progress.undoing === "wave");
      return enter(progress, { state: "waiting", waitingFor: "decision", waitUntil: event.until });
    case "earlier-failed":
      expect(progress, event, progress.state === "rolling-back" && progress.undoing === "wave");
      return enter(progress, { undoing: "all", reason: event.reason });
    case "decision-expired":
      expect(progress, event, progress.waitingFor === "decision" && progress.failed);
      return end({ ...progress, undoing: "all" }, "rolling-back");
    case "rolled-back":
      expect(progress, event, progress.state === "rolling-back");
      return enter(progress, { state: "rolled-back" });
    case "rollback-failed":
      expect(progress, event, progress.state === "rolling-back");
      return enter(progress, { state: "rollback-failed", reason: event.reason });
    default:
      return event satisfies never;
  }
}

/** Goes on where a halt interrupted. */
export function goOn(progress: RolloutProgress): RolloutProgress {
  if (progress.goOn === null) throw new TypeError(`nothing was interrupted in state ${progress.state}`);
  const { state, waitingFor } = progress.goOn;
  // A window or an approval is looked for anew.
  if (state === "waiting" && waitingFor !== "decision") return { ...goOnWaiting(progress), goOn: null };
  return enter(progress, { state, waitingFor, goOn: null, reason: null });
}

/** Goes on where a wait interrupted: with the wave, or at the beginning. */
export function goOnWaiting(progress: RolloutProgress): RolloutProgress {
  return enter(progress, { state: progress.wave === null ? "planned" : "deploying", approvals: null, reason: null });
}

/** A wave that people do not want is not begun: nothing was touched, or what was stays as it is until somebody decides. */
export function rejected(progress: RolloutProgress): RolloutProgress {
  const untouched = progress.wave === null || progress.wave === 1;
  return { ...end(progress, untouched ? "cancelled" : "halted"), approvals: null };
}

/** Puts a halt, a roll-back or a cancellation into effect. */
export function end(progress: RolloutProgress, ending: Ending): RolloutProgress {
  const kept = ending === "halted" ? interruption(progress) : null;
  return enter(progress, { state: ending, paused: false, ending: null, goOn: kept });
}

function judged(progress: RolloutProgress, event: RolloutEvent & { kind: "judged" }): RolloutProgress {
  const { verdict, reason } = event.verdict;
  const asked = progress.state === "waiting" && progress.waitingFor === "decision" && !progress.failed;
  // Whatever is waited for, cells that have the release are watched.
  const bad = verdict === "FAIL" && (progress.state === "verifying" || progress.state === "waiting");
  expect(progress, event, progress.state === "baking" || asked || bad);
  switch (verdict) {
    case "FAIL":
      return fail(progress, reason);
    case "INCONCLUSIVE":
      return enter(progress, { state: "waiting", waitingFor: "decision", reason });
    case "PASS":
      return pass(progress);
    default:
      return verdict satisfies never;
  }
}

/** The wave at hand is good: on to the next, or done. */
export function pass(progress: RolloutProgress): RolloutProgress {
  const wave = progress.wave ?? 1;
  if (wave >= progress.waves) return enter(progress, { state: "completed", paused: false, reason: null });
  return enter(progress, { state: "deploying", wave: wave + 1, reason: null });
}

/** The bad wave goes back at once; those before it are judged again first. Where a person was waited for, all that was changed is one. */
export function fail(progress: RolloutProgress, reason: string): RolloutProgress {
  const first = !progress.waveByWave || (progress.wave ?? 1) === 1 || progress.state === "waiting";
  const failed = { ...progress, reason, failed: true, undoing: first ? ("all" as const) : ("wave" as const) };
  if (progress.reversible) return end(failed, "rolling-back");
  return { ...end(failed, "halted"), goOn: null };
}

function settle(progress: RolloutProgress): RolloutProgress {
  return progress.ending === null ? progress : end({ ...progress, revision: progress.revision - 1 }, progress.ending);
}

function interruption(progress: RolloutProgress): GoOn | null {
  switch (progress.state) {
    case "planned":
    case "deploying":
    case "verifying":
    case "baking":
    case "waiting":
      return { state: progress.state, waitingFor: progress.waitingFor };
    default:
      return null;
  }
}

function mayWait({ state }: RolloutProgress): boolean {
  return state === "planned" || state === "deploying";
}

/** Another state, or the same anew; what was said of a bake holds for that one alone. */
export function enter(progress: RolloutProgress, changes: Partial<RolloutProgress>): RolloutProgress {
  const revision = progress.revision + 1;
  const fresh = { waitingFor: null, waitUntil: null, bakeExtraSeconds: 0, bakeEnded: false };
  return { ...progress, ...fresh, ...changes, revision, since: revision, entered: revision };
}

function expect(progress: RolloutProgress, event: RolloutEvent, legal: boolean): void {
  if (!legal) throw new TypeError(`event ${event.kind} in state ${progress.state}`);
}
