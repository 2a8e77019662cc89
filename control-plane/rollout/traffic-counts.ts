import type { Look } from "../../common/contracts/bake.ts";
import type { SampleCounter } from "../../common/contracts/samples.ts";
import type { CellId, ReleaseName } from "../../common/ids.ts";
import { total } from "./window.ts";

export type Traffic = "real" | "synthetic";

/**
 * What one look counted of a cell's traffic: answers of the release, and requests to the cell that nobody answered; null when nothing.
 * @param release null for whatever release answered.
 */
export function countedOf(
  counters: readonly SampleCounter[],
  cell: CellId,
  release: ReleaseName | null,
  traffic: Traffic,
): SampleCounter | null {
  const own = counters.filter(
    (counter) =>
      counter.cell === cell &&
      counter.synthetic === (traffic === "synthetic") &&
      (release === null || counter.release === null || counter.release === release),
  );
  return total(own);
}

/** Requests and errors of a cell's customers in one look. */
export function customersOf(
  look: Look,
  cell: CellId,
  release: ReleaseName | null,
): { readonly requests: number; readonly errors: number } {
  return countedOf(look.counters, cell, release, "real") ?? { requests: 0, errors: 0 };
}

/** The looks of the last `seconds`, the newest included. */
export function lastLooks(looks: readonly Look[], seconds: number): readonly Look[] {
  const now = looks.at(-1)?.seconds ?? 0;
  return looks.filter((look) => look.seconds > now - seconds);
}
