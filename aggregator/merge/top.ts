import { cannotMerge } from "./errors.ts";

/** One frequent key: its true count lies in [count − error, count]. */
export interface TopEntry {
  readonly key: string;
  readonly count: number;
  readonly error: number;
}

/**
 * The most frequent keys with error bounds. A key not listed has a true count of at most `floor`; with `floor` 0 the
 * list is exact and whole.
 *
 * Algorithm: Space-Saving summaries (Metwally, Agrawal, El Abbadi 2005), merged as in Agarwal et al., "Mergeable
 * Summaries", PODS 2012: a key missing on one side adds that side's floor to both its count and its error.
 */
export interface TopSummary {
  readonly capacity: number;
  readonly floor: number;
  readonly entries: readonly TopEntry[];
}

/** The `capacity` most frequent of exact counts. */
export function topOf(counts: Iterable<readonly [key: string, count: number]>, capacity: number): TopSummary {
  const entries = [...counts].map(([key, count]) => ({ key, count, error: 0 }));
  return truncate(entries, capacity, 0);
}

/**
 * Merges summaries. Commutative; in whatever order parts are merged the bounds hold, and while no part ever exceeded
 * its capacity the result is exact.
 * @throws `different-parameters` when capacities differ.
 */
export function mergeTop(summaries: readonly TopSummary[], capacityIfEmpty = 100): TopSummary {
  const capacity = summaries[0]?.capacity ?? capacityIfEmpty;
  let floors = 0;
  const listed = new Map<string, { count: number; error: number; floors: number }>();
  for (const summary of summaries) {
    if (summary.capacity !== capacity) {
      throw cannotMerge("different-parameters", `capacities ${capacity} and ${summary.capacity}`);
    }
    floors += summary.floor;
    for (const { key, count, error } of summary.entries) {
      const known = listed.get(key) ?? { count: 0, error: 0, floors: 0 };
      listed.set(key, { count: known.count + count, error: known.error + error, floors: known.floors + summary.floor });
    }
  }
  const entries = [...listed].map(([key, known]) => {
    const unseen = floors - known.floors;
    return { key, count: known.count + unseen, error: known.error + unseen };
  });
  return truncate(entries, capacity, floors);
}

function truncate(entries: readonly TopEntry[], capacity: number, floor: number): TopSummary {
  if (!(Number.isInteger(capacity) && capacity > 0)) throw cannotMerge("malformed-value", `capacity ${capacity}`);
  const ranked = entries.toSorted((a, b) => b.count - a.count || (a.key < b.key ? -1 : 1));
  const dropped = ranked[capacity]?.count ?? 0;
  return { capacity, floor: Math.max(floor, dropped), entries: ranked.slice(0, capacity) };
}
