import { latencyBoundsMs, type Samples } from "../../common/contracts/samples.ts";
import type { BeforeDeploy } from "../../common/contracts/bake.ts";
import type { CellId } from "../../common/ids.ts";
import { extendWindow, total, type TrafficWindow } from "./window.ts";

/**
 * Customers' traffic of each cell between the first and the last reading, whatever release answered.
 * @param readings of all routers, in order of time.
 * @returns the cells that any router counted, also those that nobody asked anything.
 */
export function beforeDeploy(readings: readonly Samples[]): readonly BeforeDeploy[] {
  const empty: TrafficWindow = { counters: [], last: {} };
  const { counters } = readings.reduce((window, reading) => extendWindow(window, [reading]), empty);
  const times = readings.map(({ at }) => Date.parse(at));
  const seconds = times.length === 0 ? 0 : (Math.max(...times) - Math.min(...times)) / 1_000;
  const cells = new Set<CellId>(readings.flatMap((reading) => reading.counters.map(({ cell }) => cell)));
  return [...cells].map((cell) => {
    const counted = total(counters.filter((counter) => counter.cell === cell && !counter.synthetic));
    return {
      cell,
      seconds,
      requests: counted?.requests ?? 0,
      errors: counted?.errors ?? 0,
      latency: counted?.latency ?? [...latencyBoundsMs.map(() => 0), 0],
    };
  });
}
