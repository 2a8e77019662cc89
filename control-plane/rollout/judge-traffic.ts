import type { Verdict } from "../../common/contracts/rollout.ts";
import type { RolloutPolicy } from "../../common/contracts/rollout-policy.ts";
import { latencyBoundsMs, type SampleCounter } from "../../common/contracts/samples.ts";
import type { CellId, ReleaseName } from "../../common/ids.ts";
import type { BakeSamples } from "./bake-samples.ts";
import { histogramQuantile } from "./histogram.ts";
import { badRequestsToStop, percent } from "./judging.ts";
import { countedOf } from "./traffic-counts.ts";

/** What one kind of traffic of one cell shows. `open`: too few samples to say. */
export interface TrafficFinding {
  readonly cell: CellId;
  readonly traffic: "real" | "synthetic";
  readonly outcome: "failed" | "met" | "open";
  readonly reason: string;
  readonly numbers: Verdict["numbers"];
}

export const trafficFormula =
  "FAIL if errors / requests > 1 − successObjective or p99Ms > p99ObjectiveMs, with requests ≥ minimumSamples at the end of the bake; " +
  "at any time if errors (or requests slower than p99ObjectiveMs) ≥ badRequestsToStop " +
  "and > (1 − successObjective, or 1 %) × max(requests, minimumSamples)";

export function trafficThresholds(policy: RolloutPolicy): Verdict["thresholds"] {
  const { successObjective, p99ObjectiveMs, minimumSamples } = policy;
  return { successObjective, p99ObjectiveMs, minimumSamples, badRequestsToStop };
}

/**
 * Judges one cell's real and synthetic traffic against the objectives, apart. Counted are answers of the release, and
 * requests to the cell that nobody answered.
 */
export function judgeTraffic(
  cell: CellId,
  release: ReleaseName,
  samples: BakeSamples,
  policy: RolloutPolicy,
): readonly TrafficFinding[] {
  return (["real", "synthetic"] as const).map((traffic) => {
    const counted = countedOf(samples.counters, cell, release, traffic);
    const { numbers, problem, enough } = measure(counted, policy);
    const judged = enough && samples.over;
    const stop = problem !== null && (judged || problem.certain);
    const outcome = stop ? "failed" : judged ? "met" : "open";
    const reason = problem === null ? "meets the objectives" : problem.text;
    return { cell, traffic, outcome, reason: `${cell}, ${traffic} traffic: ${reason}`, numbers };
  });
}

interface Measured {
  readonly numbers: Verdict["numbers"];
  /** Whether there are enough samples to pass. */
  readonly enough: boolean;
  /** An objective that is missed; `certain` when the rest of the bake cannot be expected to mend it. */
  readonly problem: { readonly text: string; readonly certain: boolean } | null;
}

function measure(counted: SampleCounter | null, policy: RolloutPolicy): Measured {
  if (counted === null || counted.requests === 0)
    return { numbers: { requests: 0, errors: 0 }, enough: false, problem: null };

  const { requests, errors } = counted;
  const successRate = (requests - errors) / requests;
  const p99 = histogramQuantile(counted.latency, 0.99);
  const slow = slowerThan(policy.p99ObjectiveMs, counted.latency);
  const numbers = {
    requests,
    errors,
    successRate,
    slow,
    ...(p99 === null ? {} : { p99Ms: Math.round(p99.estimateMs * 10) / 10 }),
  };
  const enough = requests >= policy.minimumSamples;

  if (successRate < policy.successObjective) {
    const text = `${percent(1 - successRate)} of ${requests} requests failed; allowed are ${percent(1 - policy.successObjective)}`;
    return {
      numbers,
      enough,
      problem: { text, certain: isCertain(errors, requests, 1 - policy.successObjective, policy) },
    };
  }
  if (p99 !== null && p99.estimateMs > policy.p99ObjectiveMs) {
    const text = `p99 is ${p99.estimateMs.toFixed(0)} ms${p99.atMostMs === Infinity ? " or more" : ""}; allowed are ${policy.p99ObjectiveMs} ms`;
    return { numbers, enough, problem: { text, certain: isCertain(slow, requests, 0.01, policy) } };
  }
  return { numbers, enough, problem: null };
}

/** So many bad ones that the objective stays missed even if all requests up to the minimum of samples were good. */
function isCertain(bad: number, requests: number, allowedShare: number, policy: RolloutPolicy): boolean {
  return bad >= badRequestsToStop && bad > allowedShare * Math.max(requests, policy.minimumSamples);
}

/** Requests in buckets that lie wholly above the bound. */
function slowerThan(boundMs: number, latency: readonly number[]): number {
  return latency.reduce((sum, count, bucket) => ((latencyBoundsMs[bucket - 1] ?? 0) >= boundMs ? sum + count : sum), 0);
}
