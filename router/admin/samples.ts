import { randomUUID } from "node:crypto";
import type { Clock } from "../../common/clock.ts";
import { tiers, type TenantRow, type Tier } from "../../common/contracts/fleet.ts";
import { latencyBoundsMs, type SampleCounter, type Samples } from "../../common/contracts/samples.ts";
import { matches, type CellId, type ReleaseName } from "../../common/ids.ts";
import type { TopTenants } from "./top-tenants.ts";

/** Cells times releases times tiers that are told apart; a fleet has far fewer. Beyond, answers count under no release. */
const maxSeries = 20_000;
export const statusClasses = ["1xx", "2xx", "3xx", "4xx", "5xx"] as const;

export interface Series {
  readonly cell: CellId;
  readonly release: ReleaseName | null;
  readonly tier: Tier;
  readonly synthetic: boolean;
  requests: number;
  errors: number;
  /** Of bodies: what clients sent, and what they got. */
  bytesIn: number;
  bytesOut: number;
  readonly latency: number[];
  /** Sum of all latencies, in milliseconds. */
  latencySumMs: number;
  /** By first digit of the status, from 1xx to 5xx. */
  readonly classes: number[];
}

/**
 * Counters by cell × release × tier, from which a rollout is judged. Latency is the time from the request's head to the answer's,
 * parking included: what a client waited for the first word.
 */
export class SampleCounters {
  readonly #source: string;
  readonly #clock: Clock;
  readonly #top: TopTenants;
  readonly #instance = randomUUID();
  readonly #series = new Map<string, Series>();
  /** The series that each cell's answers counted under last, by tier: nearly always the next one's too. */
  readonly #last = new Map<CellId, (Series | undefined)[]>();

  /** @param source this router's part id. */
  constructor(source: string, clock: Clock, top: TopTenants) {
    this.#source = source;
    this.#clock = clock;
    this.#top = top;
  }

  /** @param release what the cell named, null where it did not answer. @returns where the answer's bytes are counted. */
  count(
    cell: CellId,
    release: string | null,
    { tier, synthetic, slug }: Pick<TenantRow, "tier" | "synthetic" | "slug">,
    status: number,
    latencyMs: number,
  ): Series {
    this.#top.count(slug);
    const series = this.#lastOr(cell, release, tier, synthetic);
    series.requests += 1;
    if (status >= 500) series.errors += 1;
    let bucket = 0;
    while (bucket < latencyBoundsMs.length && latencyMs > (latencyBoundsMs[bucket] as number)) bucket += 1;
    series.latency[bucket] = (series.latency[bucket] as number) + 1;
    series.latencySumMs += latencyMs;
    const statusClass = Math.min(4, Math.max(0, Math.floor(status / 100) - 1));
    series.classes[statusClass] = (series.classes[statusClass] as number) + 1;
    return series;
  }

  /** Tenants with most requests. */
  top(): ReturnType<TopTenants["top"]> {
    return this.#top.top();
  }

  series(): IterableIterator<Series> {
    return this.#series.values();
  }

  toSamples(): Samples {
    return {
      source: this.#source,
      instance: this.#instance,
      at: new Date(this.#clock.now()).toISOString(),
      counters: this.#withoutTiers(),
    };
  }

  /** The judge tells real traffic from synthetic, and no tiers. */
  #withoutTiers(): SampleCounter[] {
    const merged = new Map<string, SampleCounter>();
    for (const { cell, release, synthetic, requests, errors, latency } of this.#series.values()) {
      const name = `${cell} ${release ?? ""} ${synthetic}`;
      const known = merged.get(name);
      merged.set(name, {
        cell,
        release,
        synthetic,
        requests: requests + (known?.requests ?? 0),
        errors: errors + (known?.errors ?? 0),
        latency: latency.map((count, bucket) => count + (known?.latency[bucket] ?? 0)),
      });
    }
    return [...merged.values()];
  }

  #lastOr(cell: CellId, release: string | null, tier: Tier, synthetic: boolean): Series {
    let last = this.#last.get(cell);
    if (last === undefined) {
      last = [];
      this.#last.set(cell, last);
    }
    const place = tiers.indexOf(tier);
    let series = last[place];
    if (series === undefined || series.release !== release || series.synthetic !== synthetic) {
      series = this.#seriesOf(cell, release, tier, synthetic);
      last[place] = series;
    }
    return series;
  }

  #seriesOf(cell: CellId, named: string | null, tier: Tier, synthetic: boolean): Series {
    const name = `${cell} ${named ?? ""} ${tier} ${synthetic ? "s" : "r"}`;
    const known = this.#series.get(name);
    if (known !== undefined) return known;
    if (named !== null && (this.#series.size >= maxSeries || !matches("release", named)))
      return this.#seriesOf(cell, null, tier, synthetic);
    const made: Series = {
      cell,
      release: named as ReleaseName | null,
      tier,
      synthetic,
      requests: 0,
      errors: 0,
      bytesIn: 0,
      bytesOut: 0,
      latency: Array.from({ length: latencyBoundsMs.length + 1 }, () => 0),
      latencySumMs: 0,
      classes: statusClasses.map(() => 0),
    };
    this.#series.set(name, made);
    return made;
  }
}
