import { latencyBoundsMs } from "../../common/contracts/samples.ts";
import type { RolloutPolicy } from "../../common/contracts/rollout-policy.ts";
import { unknownTimeZone } from "./calendar.ts";
import { rolloutError } from "./errors.ts";
import { judgingOf } from "./judging.ts";

/** Shortens the bakes of a local fleet: an hour becomes twelve seconds. */
export const localTimeScale = 1 / 300;

/** One canary, a tenth, a half, the rest; bakes of one, two, four hours. No approvals. */
export const defaultRolloutPolicy: RolloutPolicy = {
  canaryCells: 1,
  percentages: [10, 50, 100],
  bakeSeconds: [3_600, 7_200, 14_400],
  timeScale: localTimeScale,
  successObjective: 0.99,
  p99ObjectiveMs: 1_000,
  minimumSamples: 100,
  hardFailuresInARow: 3,
};

/** Cells of a wave that are changed side by side, unless the policy says otherwise; more would only contend for one machine. */
export const usualCellsAtOnce = 4;

/** A person has half an hour to say that the waves before a bad one may stay. */
export const usualDecisionSeconds = 1_800;

/**
 * The default policy with an operator's wishes. The gates' thresholds are written out in full, so that a plan says them all.
 * @throws `invalid-policy`
 */
export function policyWith(wishes: Partial<RolloutPolicy>): RolloutPolicy {
  const policy = { ...defaultRolloutPolicy, ...wishes };
  const problem = problemOf(policy);
  if (problem !== null) throw rolloutError("invalid-policy", problem);
  return { ...policy, judging: judgingOf(policy) };
}

function problemOf({ percentages, p99ObjectiveMs, approvals, freezes, judging }: RolloutPolicy): string | null {
  if (percentages.some((share, n) => share <= (percentages[n - 1] ?? 0) || share > 100))
    return `percentages ${percentages.join(", ")} are not ascending within 0 to 100`;
  const slowest = latencyBoundsMs.at(-1) ?? 0;
  if (p99ObjectiveMs >= slowest) return `latencies are told apart below ${slowest} ms only`;
  if (approvals !== undefined && approvals.of.length > 0 && new Set(approvals.of).size < approvals.required)
    return `${approvals.required} approvals cannot come of ${approvals.of.length} people`;
  const zone = unknownTimeZone(freezes ?? []);
  if (zone !== null) return `there is no time zone ${zone}`;
  const backwards = (freezes ?? []).find((window) => "since" in window && window.until <= window.since);
  if (backwards !== undefined) return `${backwards.name} ends before it begins`;
  const { fastBurn, slowBurn } = judgingOf({ judging });
  return slowBurn >= fastBurn ? `a slow burn of ${slowBurn} is no slower than a fast one of ${fastBurn}` : null;
}

/** Length of the bake after a wave (from 1), in seconds; the last length stands for all further waves. */
export function bakeSecondsAfter(wave: number, policy: RolloutPolicy): number {
  const unscaled = policy.bakeSeconds[wave - 1] ?? policy.bakeSeconds.at(-1) ?? 0;
  return Math.round(unscaled * policy.timeScale * 1_000) / 1_000;
}
