import { randomUUID } from "node:crypto";
import type { CellId, ReleaseName } from "../../common/ids.ts";
import { latencyBoundsMs, type Samples } from "../../common/contracts/samples.ts";
import type { Clock } from "../../common/clock.ts";

interface Counter {
  requests: number;
  errors: number;
  readonly latency: number[];
}

/** Counts this process's answers, real and synthetic apart, since it began. */
export class CellSamples {
  readonly #cell: CellId;
  readonly #release: ReleaseName;
  readonly #clock: Clock;
  readonly #instance = randomUUID();
  readonly #counters = { real: emptyCounter(), synthetic: emptyCounter() };

  constructor(cell: CellId, release: ReleaseName, clock: Clock) {
    this.#cell = cell;
    this.#release = release;
    this.#clock = clock;
  }

  count(synthetic: boolean, status: number, elapsedMs: number): void {
    const counter = synthetic ? this.#counters.synthetic : this.#counters.real;
    counter.requests += 1;
    if (status >= 500) counter.errors += 1;
    const found = latencyBoundsMs.findIndex((bound) => elapsedMs <= bound);
    const bucket = found < 0 ? latencyBoundsMs.length : found;
    counter.latency[bucket] = (counter.latency[bucket] ?? 0) + 1;
  }

  read(): Samples {
    const row = (synthetic: boolean, counter: Counter) => ({
      cell: this.#cell,
      release: this.#release,
      synthetic,
      requests: counter.requests,
      errors: counter.errors,
      latency: [...counter.latency],
    });
    return {
      source: this.#cell,
      instance: this.#instance,
      at: new Date(this.#clock.now()).toISOString(),
      counters: [row(false, this.#counters.real), row(true, this.#counters.synthetic)],
    };
  }
}

function emptyCounter(): Counter {
  return { requests: 0, errors: 0, latency: Array.from({ length: latencyBoundsMs.length + 1 }, () => 0) };
}
