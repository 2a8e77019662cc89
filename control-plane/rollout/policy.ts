import { latencyBoundsMs } from "../../common/contracts/samples.ts";
import type { RolloutPolicy } from "../../common/contracts/rollout.ts";
import { rolloutError } from "./errors.ts";

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

/**
 * The default policy with an operator's wishes.
 * @throws `invalid-policy`
 */
export function policyWith(wishes: Partial<RolloutPolicy>): RolloutPolicy {
  const policy = { ...defaultRolloutPolicy, ...wishes };
  const { percentages, p99ObjectiveMs } = policy;
  if (percentages.some((share, n) => share <= (percentages[n - 1] ?? 0) || share > 100)) {
    throw rolloutError("invalid-policy", `percentages ${percentages.join(", ")} are not ascending within 0 to 100`);
  }
  const slowest = latencyBoundsMs.at(-1) ?? 0;
  if (p99ObjectiveMs >= slowest) {
    throw rolloutError("invalid-policy", `latencies are told apart below ${slowest} ms only`);
  }
  return policy;
}

/** Length of the bake after a wave (from 1), in seconds; the last length stands for all further waves. */
export function bakeSecondsAfter(wave: number, policy: RolloutPolicy): number {
  const unscaled = policy.bakeSeconds[wave - 1] ?? policy.bakeSeconds.at(-1) ?? 0;
  return Math.round(unscaled * policy.timeScale * 1_000) / 1_000;
}
