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
    case "wave-failed":
      expect(progress, event, progress.state === "deploying");
      return fail(progress, event.reason);
    case "wave-verified":
      expect(progress, event, progress.state === "verifying");
      return enter(progress, { state: "baking" });
    case "judged":
      return judged(progress, event);
    case "waits":
      expect(progress, event, progress.state === "planned" || progress.state === "deploying");
      return settle(enter(progress, { state: "waiting", waitingFor: event.for }));
    case "wait-over":
      expect(progress, event, progress.state === "waiting" && progress.waitingFor !== "decision");
      return enter(progress, { state: progress.wave === null ? "planned" : "deploying" });
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
  return enter(progress, { ...progress.goOn, goOn: null, reason: null });
}

/** Puts a halt, a roll-back or a cancellation into effect. */
export function end(progress: RolloutProgress, ending: Ending): RolloutProgress {
  const kept = ending === "halted" ? interruption(progress) : null;
  return enter(progress, { state: ending, paused: false, ending: null, goOn: kept });
}

function judged(progress: RolloutProgress, event: RolloutEvent & { kind: "judged" }): RolloutProgress {
  const { verdict, reason } = event.verdict;
  const observing = progress.state === "baking" || (progress.state === "waiting" && progress.waitingFor === "decision");
  expect(progress, event, observing || (verdict === "FAIL" && progress.state === "verifying"));
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

function pass(progress: RolloutProgress): RolloutProgress {
  const wave = progress.wave ?? 1;
  if (wave >= progress.waves) return enter(progress, { state: "completed", paused: false, reason: null });
  return enter(progress, { state: "deploying", wave: wave + 1, reason: null });
}

function fail(progress: RolloutProgress, reason: string): RolloutProgress {
  const failed = { ...progress, reason };
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

function enter(progress: RolloutProgress, changes: Partial<RolloutProgress>): RolloutProgress {
  return { ...progress, waitingFor: null, ...changes, revision: progress.revision + 1 };
}

function expect(progress: RolloutProgress, event: RolloutEvent, legal: boolean): void {
  if (!legal) throw new TypeError(`event ${event.kind} in state ${progress.state}`);
}
