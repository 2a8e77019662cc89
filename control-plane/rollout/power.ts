import type { BeforeDeploy } from "../../common/contracts/bake.ts";
import type { JudgingPolicy } from "../../common/contracts/rollout-policy.ts";
import type { CellId } from "../../common/ids.ts";
import { logEvidence } from "./odds-test.ts";
import { normalQuantile } from "./rank-sum.ts";

/** Customers' traffic of a cell, as it is known when a rollout is planned. */
export type KnownTraffic = Omit<BeforeDeploy, "latency">;

/** Whether a cell's traffic can show what the relative gate looks for. */
export interface Power {
  readonly requestsPerSecond: number;
  readonly comparable: boolean;
  /** Why not; empty where it can. */
  readonly reason: string;
}

/** Into how many cells' synthetic tenants a wave's load may come: requests a second, of all cells together. */
const mostLoadPerSecond = 500;

/**
 * Whether a rise of errors by `detectRatio` at this cell would be found by the relative gate within the bake with probability `detectPower`: whether the
 * gate's own evidence suffices at the errors that so many such bakes at least show, by the normal approximation of a Poisson count.
 * @param controls cells that keep their release.
 * @param cellsInWave the wave's cells, among which the permitted false FAILs are divided.
 */
export function powerOf(
  cell: CellId,
  known: readonly KnownTraffic[],
  controls: readonly CellId[],
  bakeSeconds: number,
  cellsInWave: number,
  judging: JudgingPolicy,
): Power {
  const own = known.find((traffic) => traffic.cell === cell);
  const requestsPerSecond = own === undefined || own.seconds === 0 ? 0 : own.requests / own.seconds;
  const sees = `it sees ${requestsPerSecond.toFixed(1)} requests/s`;
  const no = (why: string): Power => ({ requestsPerSecond, comparable: false, reason: why });
  if (own === undefined || own.requests === 0) return no("nothing is known of its traffic");
  const others = known.filter((traffic) => controls.includes(traffic.cell) && traffic.seconds > 0);
  if (others.length === 0) return no("no cell is left on the old release to compare with");

  const grown = bakeSeconds / own.seconds;
  const risen = judging.detectRatio * own.errors * grown;
  const errors = Math.floor(risen - normalQuantile(judging.detectPower) * Math.sqrt(risen));
  const before = { errors: own.errors, controlErrors: sum(others.map((other) => other.errors)) };
  const controlErrors = Math.round(sum(others.map((other) => (other.errors * bakeSeconds) / other.seconds)));
  const exposure = before.controlErrors === 0 ? 1 : (grown * before.controlErrors) / Math.max(1, controlErrors);
  const enough = Math.log(cellsInWave / judging.falseFail);
  const comparable =
    before.controlErrors > 0 && errors > 0 && logEvidence(before, [{ errors, controlErrors, exposure }]) >= enough;
  if (comparable) return { requestsPerSecond, comparable, reason: "" };
  return no(`${sees}: it cannot show ${riseText(judging.detectRatio)} of its errors in this bake`);
}

/** Synthetic requests a second for each of so many cells that cannot show enough of their own. */
export function syntheticLoad(cells: number, judging: JudgingPolicy): number {
  return cells === 0 ? 0 : Math.min(judging.syntheticPerSecond, mostLoadPerSecond / cells);
}

function riseText(ratio: number): string {
  return ratio === 2 ? "a doubling" : `a ${ratio}-fold rise`;
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
