import type { BeforeDeploy, Comparison } from "../../common/contracts/bake.ts";
import type { GateFinding } from "../../common/contracts/rollout.ts";
import type { RolloutPolicy } from "../../common/contracts/rollout-policy.ts";
import type { CellId, ReleaseName } from "../../common/ids.ts";
import type { BakeSamples } from "./bake-samples.ts";
import { gateFinding, type Found } from "./finding.ts";
import { histogramQuantile } from "./histogram.ts";
import { judgingOf } from "./judging.ts";
import { rankSum } from "./rank-sum.ts";
import { countedOf } from "./traffic-counts.ts";

/** Of fewer looks neither sample says much; a look of fewer requests has no 95th percentile worth the name. */
const leastLooks = 10;
const leastRequests = 20;
/** The newest looks of this many controls: pairs of differences are few enough to sort. */
const mostLooks = 240;
const mostControls = 10;

const formula =
  "x = ln(p95 of a look / p95 before the deploy), at the cell and at the controls; a person decides if the Mann-Whitney test says that the cell's are larger, " +
  "p < latencySignificance / cells, and exp(Hodges-Lehmann shift) ≥ latencyRatio";

/**
 * The latency gate: whether customers wait longer than before, compared with the control cells. The values are 95th percentiles of whole looks, not single
 * requests, because requests of one moment are slow together, and so are not so many independent observations. Even so looks lean on
 * their neighbours, so it is asked once, at the end of the bake, and a person decides; what exceeds the objective FAILs by the absolute gate.
 * Kayenta judges so (Mann-Whitney, with a tolerance of the Hodges-Lehmann shift).
 */
export function judgeLatency(samples: BakeSamples, policy: RolloutPolicy): GateFinding {
  const { latencyRatio, latencySignificance } = judgingOf(policy);
  const { comparison, cells, over } = samples;
  const thresholds = { latencyRatio, latencySignificance, leastLooks, leastRequests };
  if (!over || comparison === undefined || comparison === null)
    return gateFinding("latency", formula, thresholds, [
      {
        outcome: "not-applicable",
        traffic: "none",
        reason: over ? "nothing is known of the time before the deploy" : "asked at the end of the bake",
        numbers: {},
      },
    ]);

  const control = comparison.controls
    .slice(0, mostControls)
    .flatMap((cell) => slownessOf(samples, comparison, cell, null));
  const found = cells.map(({ cell, release }): Found => {
    const own = slownessOf(samples, comparison, cell, release);
    const test = own.length < leastLooks || control.length < leastLooks ? null : rankSum(own, control);
    if (test === null) {
      const reason = `${cell}: too few requests to compare latencies`;
      return { outcome: "not-applicable", traffic: "real", reason, numbers: { looks: own.length } };
    }
    const ratio = Math.exp(test.shift);
    const slower = test.pGreater < latencySignificance / cells.length && ratio >= latencyRatio;
    return {
      outcome: slower ? "decide" : "pass",
      traffic: "real",
      reason: slower
        ? `${cell}: customers wait ${ratio.toFixed(2)} times as long as before, compared with other cells`
        : `${cell}: latency is as before`,
      numbers: {
        looks: own.length,
        controlLooks: control.length,
        p: test.pGreater,
        ratio: Math.round(ratio * 1_000) / 1_000,
      },
    };
  });
  return gateFinding("latency", formula, thresholds, found);
}

/** How much slower each look was than before, as a logarithm. */
function slownessOf(
  samples: BakeSamples,
  comparison: Comparison,
  cell: CellId,
  release: ReleaseName | null,
): readonly number[] {
  const before = p95(comparison.before.find((known): known is BeforeDeploy => known.cell === cell)?.latency);
  if (before === null) return [];
  return (samples.looks ?? []).slice(-mostLooks).flatMap((look) => {
    const counted = countedOf(look.counters, cell, release, "real");
    const now = counted === null || counted.requests < leastRequests ? null : p95(counted.latency);
    return now === null ? [] : Math.log(now / before);
  });
}

function p95(latency: readonly number[] | undefined): number | null {
  const quantile = latency === undefined ? null : histogramQuantile(latency, 0.95);
  return quantile === null || quantile.estimateMs === 0 ? null : quantile.estimateMs;
}
