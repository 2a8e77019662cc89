import type { CellCheck, Comparison, Look, Watch } from "../../common/contracts/bake.ts";
import type { Samples } from "../../common/contracts/samples.ts";
import type { CellId } from "../../common/ids.ts";
import type { BakeSamples } from "./bake-samples.ts";
import { addUp, grownSince } from "./window.ts";

/** What was seen when routers and cells were asked. */
export interface Seen {
  readonly checks: readonly CellCheck[];
  /** The routers' counters since they began. */
  readonly readings: readonly Samples[];
  readonly missing: readonly string[];
  /** Why nobody could be asked; null where somebody was. */
  readonly error: string | null;
}

/** What a watch is opened with; the traffic of before is added from the readings. */
export type WatchRequest = Pick<Watch, "wave" | "number" | "purpose" | "beganAt" | "cells"> & {
  /** When the first cell of the wave was begun: what came after is not "before". */
  readonly deployedAt: string;
  readonly controls: readonly CellId[];
  readonly powerless: Comparison["powerless"];
  readonly earlier: readonly Pick<Watch["earlier"][number], "wave" | "cells">[];
};

/** When a look was taken, by the watcher's clocks. */
export interface LookTime {
  /** Since the watch began. */
  readonly seconds: number;
  /** Since 1970, in milliseconds. */
  readonly now: number;
}

/**
 * Makes a look of what was seen. A look in which neither a router nor a cell answered is a fault of the watcher, not of every cell at once.
 * A reading is stale when its source says the same time as before, or one that lies too far back; its counters are left out until it has a newer one.
 * @param last the newest reading of each source; none in the first look, which therefore counts nothing.
 * @returns the look, and the readings that the next one is compared with.
 */
export function lookOf(
  seen: Seen,
  last: Readonly<Record<string, Samples>>,
  time: LookTime,
  staleSeconds: number,
): { readonly look: Look; readonly last: Readonly<Record<string, Samples>> } {
  const cutOff = seen.readings.length === 0 && !seen.checks.some(({ answered }) => answered);
  const error = seen.error ?? (cutOff ? "neither a router nor a cell answered" : null);
  if (error !== null) {
    const nothing = { checks: [], counters: [], sources: [], stale: [] };
    return { look: { seconds: time.seconds, ...nothing, missing: [...seen.missing], error }, last };
  }
  const isStale = ({ source, instance, at }: Samples): boolean =>
    (last[source]?.instance === instance && last[source].at === at) || Date.parse(at) < time.now - staleSeconds * 1_000;
  const fresh = seen.readings.filter((reading) => !isStale(reading));
  const look: Look = {
    seconds: time.seconds,
    checks: [...seen.checks],
    counters: [...grownSince(last, fresh)],
    sources: fresh.map(({ source }) => source),
    missing: [...seen.missing],
    stale: seen.readings.filter(isStale).map(({ source }) => source),
    error: null,
  };
  return { look, last: { ...last, ...Object.fromEntries(fresh.map((reading) => [reading.source, reading])) } };
}

/** All that a watch has seen, as the judge takes it. */
export function samplesOf(watch: Watch, over: boolean): BakeSamples {
  const newest = watch.looks.at(-1);
  return {
    cells: watch.cells,
    checks: watch.looks.flatMap(({ checks }) => checks),
    counters: addUp(watch.looks.flatMap(({ counters }) => counters)),
    sources: newest?.sources ?? [],
    missing: newest?.missing ?? [],
    over,
    looks: watch.looks,
    comparison: watch.comparison,
  };
}

/** The same looks, for a wave before the one that was watched. */
export function earlierSamples(watch: Watch, { cells, comparison }: Watch["earlier"][number]): BakeSamples {
  return { ...samplesOf(watch, true), cells, comparison };
}
