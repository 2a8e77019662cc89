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
  const totals = new Map(window.counters.map((counter) => [keyOf(counter), counter]));
  const last = new Map(Object.entries(window.last));
  for (const reading of readings) {
    const previous = last.get(reading.source);
    last.set(reading.source, reading);
    if (previous === undefined) continue;
    const base = previous.instance === reading.instance ? previous.counters : [];
    const before = new Map(base.map((counter) => [keyOf(counter), counter]));
    for (const counter of reading.counters) {
      const key = keyOf(counter);
      const grown = difference(counter, before.get(key));
      if (grown.requests > 0) totals.set(key, sum(grown, totals.get(key)));
    }
  }
  return { counters: [...totals.values()], last: Object.fromEntries(last) };
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
