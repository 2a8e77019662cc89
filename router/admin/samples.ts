import { randomUUID } from "node:crypto";
import type { Clock } from "../../common/clock.ts";
import { latencyBoundsMs, type Samples } from "../../common/contracts/samples.ts";
import { matches, type CellId, type ReleaseName } from "../../common/ids.ts";

/** Cells times releases that are told apart; a fleet has far fewer. Beyond, answers count under no release. */
const maxSeries = 20_000;
export const statusClasses = ["1xx", "2xx", "3xx", "4xx", "5xx"] as const;

export interface Series {
  readonly cell: CellId;
  readonly release: ReleaseName | null;
  readonly synthetic: boolean;
  requests: number;
  errors: number;
  readonly latency: number[];
  /** Sum of all latencies, in milliseconds. */
  latencySumMs: number;
  /** By first digit of the status, from 1xx to 5xx. */
  readonly classes: number[];
}

/**
 * Counters by cell × release × kind of traffic, from which a rollout is judged. Latency is the time from the request's head to the answer's,
 * parking included: what a client waited for the first word.
 */
export class SampleCounters {
  readonly #source: string;
  readonly #clock: Clock;
  readonly #instance = randomUUID();
  readonly #series = new Map<string, Series>();
  /** The series that each cell's answers counted under last: nearly always the next one's too. */
  readonly #last = new Map<CellId, Series>();

  /** @param source this router's part id. */
  constructor(source: string, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  /** @param release what the cell named, null where it did not answer. */
  count(cell: CellId, release: string | null, synthetic: boolean, status: number, latencyMs: number): void {
    let series = this.#last.get(cell);
    if (series === undefined || series.release !== release || series.synthetic !== synthetic) {
      series = this.#seriesOf(cell, release, synthetic);
      this.#last.set(cell, series);
    }
    series.requests += 1;
    if (status >= 500) series.errors += 1;
    let bucket = 0;
    while (bucket < latencyBoundsMs.length && latencyMs > (latencyBoundsMs[bucket] as number)) bucket += 1;
    series.latency[bucket] = (series.latency[bucket] as number) + 1;
    series.latencySumMs += latencyMs;
    const statusClass = Math.min(4, Math.max(0, Math.floor(status / 100) - 1));
    series.classes[statusClass] = (series.classes[statusClass] as number) + 1;
  }

  series(): IterableIterator<Series> {
    return this.#series.values();
  }

  toSamples(): Samples {
    return {
      source: this.#source,
      instance: this.#instance,
      at: new Date(this.#clock.now()).toISOString(),
      counters: [...this.#series.values()].map(({ cell, release, synthetic, requests, errors, latency }) => ({
        cell,
        release,
        synthetic,
        requests,
        errors,
        latency: [...latency],
      })),
    };
  }

  #seriesOf(cell: CellId, named: string | null, synthetic: boolean): Series {
    const name = `${cell} ${named ?? ""} ${synthetic ? "s" : "r"}`;
    const known = this.#series.get(name);
    if (known !== undefined) return known;
    if (named !== null && (this.#series.size >= maxSeries || !matches("release", named)))
      return this.#seriesOf(cell, null, synthetic);
    const made: Series = {
      cell,
      release: named as ReleaseName | null,
      synthetic,
      requests: 0,
      errors: 0,
      latency: Array.from({ length: latencyBoundsMs.length + 1 }, () => 0),
      latencySumMs: 0,
      classes: statusClasses.map(() => 0),
    };
    this.#series.set(name, made);
    return made;
  }
}
