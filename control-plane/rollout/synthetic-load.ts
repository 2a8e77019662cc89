import type { RolloutPolicy } from "../../common/contracts/rollout-policy.ts";
import type { CellId } from "../../common/ids.ts";
import type { BakeSamples } from "./bake-samples.ts";

/**
 * Synthetic requests to add to each cell, so that the bake ends with enough samples: none where real traffic suffices and none was planned.
 * @param bakeShare how much of the bake is over by now, 0 to 1: the load is spread evenly over it.
 * @param planned synthetic requests over the whole bake, of cells that planning found too quiet.
 */
export function samplesNeeded(
  samples: Pick<BakeSamples, "cells" | "counters">,
  policy: RolloutPolicy,
  bakeShare: number,
  planned: ReadonlyMap<CellId, number> = new Map(),
): readonly { readonly cell: CellId; readonly requests: number }[] {
  const share = Math.min(1, Math.max(0, bakeShare));
  const due = Math.ceil(policy.minimumSamples * share);
  return samples.cells.flatMap(({ cell, release }) => {
    const own = samples.counters.filter((counter) => counter.cell === cell && counter.release === release);
    const seen = (synthetic: boolean): number =>
      own.filter((counter) => counter.synthetic === synthetic).reduce((sum, counter) => sum + counter.requests, 0);
    const wanted = Math.max(seen(false) >= due ? 0 : due, Math.ceil((planned.get(cell) ?? 0) * share));
    const requests = Math.max(0, wanted - seen(true));
    return requests === 0 ? [] : [{ cell, requests }];
  });
}
