import type { RolloutPolicy, Verdict } from "../../common/contracts/rollout.ts";
import type { CellId } from "../../common/ids.ts";
import type { BakeSamples } from "./bake-samples.ts";
import { judgeHard } from "./judge-hard.ts";
import { judgeTraffic, type TrafficFinding, trafficFormula, trafficThresholds } from "./judge-traffic.ts";

/**
 * Judges a wave: hard checks, then success rate and p99 against the objective, for each cell, real and synthetic
 * traffic apart. The first FAIL wins. Zero samples never pass (I11). Pure; the verdict holds what it takes to make it again.
 */
export function judge(samples: BakeSamples, policy: RolloutPolicy): Verdict {
  const hard = judgeHard(samples, policy);
  if (hard.verdict === "FAIL") return hard;

  const findings = samples.cells.flatMap(({ cell, release }) => judgeTraffic(cell, release, samples, policy));
  const failed = findings.find((finding) => finding.outcome === "failed");
  if (failed !== undefined) return absolute(samples, policy, "FAIL", failed.traffic, failed.reason, failed.numbers);

  const summary = summarise(findings);
  const inconclusive = (reason: string): Verdict => absolute(samples, policy, "INCONCLUSIVE", "none", reason, summary);
  if (!samples.over) return inconclusive("the bake is not over");
  if (hard.verdict === "INCONCLUSIVE") return hard;
  if (samples.cells.length === 0) return inconclusive("there is no cell to judge");
  if (samples.missing.length > 0) return inconclusive(`not heard: ${samples.missing.join(", ")}`);

  const unproven = samples.cells.find(
    ({ cell }) => !findings.some((finding) => finding.cell === cell && finding.outcome === "met"),
  );
  if (unproven !== undefined)
    return inconclusive(`too few samples of ${unproven.cell}: fewer than ${policy.minimumSamples} of either traffic`);

  const real = samples.cells.every(({ cell }) =>
    findings.some((finding) => finding.cell === cell && finding.traffic === "real" && finding.outcome === "met"),
  );
  return absolute(samples, policy, "PASS", real ? "real" : "synthetic", "every cell meets the objectives", summary);
}

/**
 * Synthetic requests to add to each cell, so that the bake ends with enough samples: none where real traffic suffices.
 * @param bakeShare how much of the bake is over by now, 0 to 1: the load is spread evenly over it.
 */
export function samplesNeeded(
  samples: Pick<BakeSamples, "cells" | "counters">,
  policy: RolloutPolicy,
  bakeShare: number,
): readonly { readonly cell: CellId; readonly requests: number }[] {
  const due = Math.ceil(policy.minimumSamples * Math.min(1, Math.max(0, bakeShare)));
  return samples.cells.flatMap(({ cell, release }) => {
    const own = samples.counters.filter((counter) => counter.cell === cell && counter.release === release);
    const seen = (synthetic: boolean): number =>
      own.filter((counter) => counter.synthetic === synthetic).reduce((sum, counter) => sum + counter.requests, 0);
    const requests = seen(false) >= due ? 0 : Math.max(0, due - seen(true));
    return requests === 0 ? [] : [{ cell, requests }];
  });
}

function absolute(
  samples: BakeSamples,
  policy: RolloutPolicy,
  verdict: Verdict["verdict"],
  traffic: Verdict["traffic"],
  reason: string,
  numbers: Verdict["numbers"],
): Verdict {
  return {
    verdict,
    gate: "absolute",
    traffic,
    reason,
    formula: trafficFormula,
    thresholds: trafficThresholds(policy),
    numbers,
    sources: [...samples.sources],
    missing: [...samples.missing],
  };
}

/** Totals of each traffic, and the worst cell's rates. */
function summarise(findings: readonly TrafficFinding[]): Verdict["numbers"] {
  const of = (traffic: "real" | "synthetic", number: "requests" | "errors"): number =>
    findings
      .filter((finding) => finding.traffic === traffic)
      .reduce((sum, { numbers }) => sum + (numbers[number] ?? 0), 0);
  const counted = findings.filter(({ numbers }) => (numbers["requests"] ?? 0) > 0);
  const p99s = counted.flatMap(({ numbers }) => numbers["p99Ms"] ?? []);
  return {
    realRequests: of("real", "requests"),
    realErrors: of("real", "errors"),
    syntheticRequests: of("synthetic", "requests"),
    syntheticErrors: of("synthetic", "errors"),
    ...(counted.length === 0
      ? {}
      : { lowestSuccessRate: Math.min(...counted.map(({ numbers }) => numbers["successRate"] ?? 0)) }),
    ...(p99s.length === 0 ? {} : { highestP99Ms: Math.max(...p99s) }),
  };
}
