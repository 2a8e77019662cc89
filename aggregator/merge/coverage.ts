import type { Coverage } from "../../common/contracts/rollups.ts";
import type { CellId } from "../../common/ids.ts";

/** What was heard of one cell: when its part of the answer was true, or that there is no part. */
export type CellResult =
  | { readonly cell: CellId; readonly kind: "answered"; readonly asOfMs: number }
  | { readonly cell: CellId; readonly kind: "failed" };

/**
 * Says which cells an answer contains and how old each part is (I10). Every expected cell is in exactly one of
 * `answered` (fresh), `stale` (contained, but older than the limit) and `failed` (not contained, also when nothing was
 * heard of it). Cells that are not expected (retired ones) do not appear, and their values belong in no answer.
 * @param expected the cells of the fleet document; with none, the answer is not complete: it contains nothing.
 * @param staleAfterMs age beyond which a part counts as stale.
 */
export function coverageOf(
  expected: readonly CellId[],
  results: readonly CellResult[],
  nowMs: number,
  staleAfterMs: number,
): Coverage {
  const asOfMs = newestParts(results);
  const cells = [...new Set(expected)].toSorted();
  const contained = cells.filter((cell) => asOfMs.has(cell));
  const isFresh = (cell: CellId): boolean => nowMs - (asOfMs.get(cell) ?? -Infinity) <= staleAfterMs;

  const answered = contained.filter(isFresh);
  const asOf = cells.map((cell) => {
    const at = asOfMs.get(cell);
    return [cell, at === undefined ? null : new Date(at).toISOString()] as const;
  });
  return {
    complete: cells.length > 0 && answered.length === cells.length,
    expected: cells,
    answered,
    stale: contained.filter((cell) => !isFresh(cell)),
    failed: cells.filter((cell) => !asOfMs.has(cell)),
    asOf: Object.fromEntries(asOf),
  };
}

function newestParts(results: readonly CellResult[]): ReadonlyMap<CellId, number> {
  const newest = new Map<CellId, number>();
  for (const result of results) {
    if (result.kind === "failed") continue;
    const known = newest.get(result.cell);
    if (known === undefined || result.asOfMs > known) newest.set(result.cell, result.asOfMs);
  }
  return newest;
}
