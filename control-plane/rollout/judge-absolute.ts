import type { GateFinding, Verdict } from "../../common/contracts/rollout.ts";
import type { RolloutPolicy } from "../../common/contracts/rollout-policy.ts";
import type { BakeSamples } from "./bake-samples.ts";
import { judgeTraffic, type TrafficFinding, trafficFormula, trafficThresholds } from "./judge-traffic.ts";

/**
 * The absolute gate: success rate and p99 of each cell against the objective, real and synthetic traffic apart; either can FAIL. A
 * cell is proven by enough samples of one of them. Zero samples never pass (I11).
 */
export function judgeAbsolute(samples: BakeSamples, policy: RolloutPolicy): GateFinding {
  const findings = samples.cells.flatMap(({ cell, release }) => judgeTraffic(cell, release, samples, policy));
  const base = { gate: "absolute", formula: trafficFormula, thresholds: trafficThresholds(policy) } as const;
  const failed = findings.find((finding) => finding.outcome === "failed");
  if (failed !== undefined)
    return { ...base, outcome: "fail", traffic: failed.traffic, reason: failed.reason, numbers: failed.numbers };

  const numbers = summarise(findings);
  const open = (reason: string): GateFinding => ({ ...base, outcome: "open", traffic: "none", reason, numbers });
  if (!samples.over) return open("the bake is not over");
  if (samples.cells.length === 0) return open("there is no cell to judge");
  const met = (cell: string, traffic?: TrafficFinding["traffic"]): boolean =>
    findings.some(
      (one) => one.cell === cell && one.outcome === "met" && (traffic === undefined || one.traffic === traffic),
    );
  const unproven = samples.cells.find(({ cell }) => !met(cell));
  if (unproven !== undefined)
    return open(`too few samples of ${unproven.cell}: fewer than ${policy.minimumSamples} of either traffic`);
  const real = samples.cells.every(({ cell }) => met(cell, "real"));
  return {
    ...base,
    outcome: "pass",
    traffic: real ? "real" : "synthetic",
    reason: "every cell meets the objectives",
    numbers,
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
