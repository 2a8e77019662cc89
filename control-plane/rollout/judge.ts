import type { GateFinding, Verdict } from "../../common/contracts/rollout.ts";
import type { RolloutPolicy } from "../../common/contracts/rollout-policy.ts";
import type { BakeSamples } from "./bake-samples.ts";
import { verdictOf } from "./finding.ts";
import { judgeAbsolute } from "./judge-absolute.ts";
import { judgeBurn } from "./judge-burn.ts";
import { judgeCoverage } from "./judge-coverage.ts";
import { judgeDrop } from "./judge-drop.ts";
import { hardFinding } from "./judge-hard.ts";
import { judgeLatency } from "./judge-latency.ts";
import { judgeRelative } from "./judge-relative.ts";
import { judgeSaturation } from "./judge-saturation.ts";

/**
 * Judges a wave by all gates, in the order in which they are listed here: the first FAIL wins, at whatever time; what only a person can
 * decide, and what is open, is INCONCLUSIVE once the bake is over, and at once where going on blind would help nobody. Zero samples
 * never pass (I11). Pure: the verdict holds what it takes to make it again.
 */
export function judge(samples: BakeSamples, policy: RolloutPolicy): Verdict {
  const absolute = judgeAbsolute(samples, policy);
  const gates = [
    judgeCoverage(samples, policy),
    hardFinding(samples, policy),
    absolute,
    judgeBurn(samples, policy),
    judgeRelative(samples, policy),
    judgeLatency(samples, policy),
    judgeSaturation(samples, policy),
    judgeDrop(samples, policy),
  ];
  const failed = gates.find(({ outcome }) => outcome === "fail");
  if (failed !== undefined) return verdictOf("FAIL", failed, samples, gates);
  const urgent = gates.find(isUrgent);
  if (urgent !== undefined) return { ...verdictOf("INCONCLUSIVE", urgent, samples, gates), urgent: true };
  if (!samples.over) return verdictOf("INCONCLUSIVE", absolute, samples, gates);
  const undecided = gates.find(({ outcome }) => outcome === "decide" || outcome === "open");
  if (undecided !== undefined) return verdictOf("INCONCLUSIVE", undecided, samples, gates);
  return verdictOf("PASS", absolute, samples, gates);
}

/** Samples that cannot be taken any more, and an error budget that will be gone before the day is over. */
function isUrgent({ gate, outcome }: GateFinding): boolean {
  return outcome === "decide" && (gate === "coverage" || gate === "burn");
}
