import type { SampleCounter, Samples } from "../../common/contracts/samples.ts";

/** What was counted within a span of time, summed over the sources that were heard. Plain JSON. */
export interface TrafficWindow {
  readonly counters: readonly SampleCounter[];
  /** The last reading of each source: the next one is compared with it. */
  readonly last: Readonly<Record<string, Samples>>;
}

/**
 * Opens a window: what the sources have counted so far is left out.
 */
export function openWindow(readings: readonly Samples[]): TrafficWindow {
  return { counters: [], last: Object.fromEntries(readings.map((reading) => [reading.source, reading])) };
}

/**
 * Adds what the sources have counted since their last reading. Counters are cumulative: two readings of one instance
 * differ by what happened between; another instance means a restart, so all of it happened since. A source never read
 * before begins to count from this reading.
 */
export function extendWindow(window: TrafficWindow, readings: readonly Samples[]): TrafficWindow {
  const grown = grownSince(window.last, readings);
  const last = readings.map((reading) => [reading.source, reading] as const);
  return { counters: addUp([...window.counters, ...grown]), last: { ...window.last, ...Object.fromEntries(last) } };
}

/** What the sources have counted since their last readings, summed over the sources. */
export function grownSince(
  last: Readonly<Record<string, Samples>>,
  readings: readonly Samples[],
): readonly SampleCounter[] {
  const grown = readings.flatMap((reading) => {
    const previous = last[reading.source];
    if (previous === undefined) return [];
    const base = previous.instance === reading.instance ? previous.counters : [];
    const before = new Map(base.map((counter) => [keyOf(counter), counter]));
    return reading.counters
      .map((counter) => difference(counter, before.get(keyOf(counter))))
      .filter(({ requests }) => requests > 0);
  });
  return addUp(grown);
}

/** One counter for each cell, release and kind of traffic. */
export function addUp(counters: readonly SampleCounter[]): readonly SampleCounter[] {
  const totals = new Map<string, SampleCounter>();
  for (const counter of counters) totals.set(keyOf(counter), sum(counter, totals.get(keyOf(counter))));
  return [...totals.values()];
}

/** All counters of a selection as one; null when the selection is empty. */
export function total(counters: readonly SampleCounter[]): SampleCounter | null {
  return counters.reduce<SampleCounter | null>(
    (running, counter) => (running === null ? counter : sum(running, counter)),
    null,
  );
}

function keyOf({ cell, release, synthetic }: SampleCounter): string {
  return `${cell} ${release ?? "-"} ${synthetic}`;
}

function sum(a: SampleCounter, b: SampleCounter | undefined): SampleCounter {
  return b === undefined ? a : combine(a, b, (x, y) => x + y);
}

// Never below zero: a counter that shrank within one instance would be a fault of the source, not negative traffic.
function difference(now: SampleCounter, before: SampleCounter | undefined): SampleCounter {
  return before === undefined ? now : combine(now, before, (x, y) => Math.max(0, x - y));
}

function combine(a: SampleCounter, b: SampleCounter, by: (x: number, y: number) => number): SampleCounter {
  return {
    ...a,
    requests: by(a.requests, b.requests),
    errors: by(a.errors, b.errors),
    latency: a.latency.map((count, bucket) => by(count, b.latency[bucket] ?? 0)),
  };
}
