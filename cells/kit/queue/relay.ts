import type { TenantId } from "../../../common/ids.ts";
import type { Logger } from "../../../common/log.ts";
import type { Pool } from "../../../common/postgres/pool.ts";
import type { SlotPhase } from "../cell-state.ts";
import type { JobCarrier } from "./bull.ts";
import {
  claimJobs,
  reclaimJobs,
  releaseJobs,
  type ClaimScope,
  type HandedJob,
  type ServedTime,
  type Windows,
} from "./claim.store.ts";

// What a worker's relay does, by the phase of its slot:
//   live      moves every tenant's due jobs to the queue     → draining
//   standby   moves the synthetic tenant's only              → live
//   draining  moves nothing; what runs is finished           → live

export interface RelayOptions {
  readonly system: Pool;
  readonly carrier: Pick<JobCarrier, "add" | "isReady" | "wasEmptied">;
  /** `name@version` of what this release knows. */
  readonly kinds: readonly string[];
  readonly windows: Windows;
  readonly phase: () => SlotPhase;
  /** Whether this database is the cell's own life; nothing runs otherwise. */
  readonly confirmed: () => boolean;
  readonly log: Logger;
}

/** Without a notice the outbox is looked at this often: delayed jobs come due silently. */
const pollMs = 500;
/** Jobs that end within this time are refilled by one claim; the windows hold enough for it. */
const refillMs = 3;
/** What has been handed over for so long without an end may be lost. Longer than a job may run, with its time in the queue. */
const lostAfterMs = 15_000;
const reclaimEveryMs = 5_000;
/** Enough for all that can be in flight, of two slots. */
const reclaimedAtOnce = 256;
/** A queue that refuses is tried again after this. */
const queueAwayMs = 1_000;

/** Moves due jobs from the outbox to the queue: on notice, when the queue runs low, and on timer. */
export class OutboxRelay {
  readonly #options: RelayOptions;
  readonly #served = new Map<TenantId, { jobs: number; milliseconds: number }>();
  #soon: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | null = null;
  #again = false;
  #stopped = false;
  #reclaimedAt = 0;
  #failing = false;

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  start(): void {
    this.wake();
  }

  /** Looks at the outbox now; a call during a look makes it look once more. */
  wake(): void {
    if (this.#stopped) return;
    if (this.#running !== null) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#running = this.#look().finally(() => {
      this.#running = null;
      if (this.#stopped) return;
      const pause = this.#again && !this.#failing ? 0 : pollMs;
      this.#again = false;
      this.#timer = setTimeout(() => this.wake(), pause);
    });
  }

  /** Told of each job that is off the worker's hands: charges its tenant, and refills the queue. */
  ended(tenant: TenantId, elapsedMs: number): void {
    const served = this.#served.get(tenant) ?? { jobs: 0, milliseconds: 0 };
    served.jobs += 1;
    served.milliseconds += elapsedMs;
    this.#served.set(tenant, served);
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      this.wake();
    }, refillMs);
  }

  /** At a switch to this slot: what the other slot's worker had in its queue is taken over at once. */
  async takeOver(): Promise<void> {
    await this.#reclaim(0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#soon);
    await this.#running;
  }

  async #look(): Promise<void> {
    if (this.#options.phase() === "draining" || !this.#options.confirmed()) return;
    try {
      // What were claimed now could only be let go again.
      if (!this.#options.carrier.isReady) throw new Error("the queue's Redis is away");
      if (await this.#options.carrier.wasEmptied()) await this.#reclaim(0);
      await this.#claim();
      if (performance.now() - this.#reclaimedAt > reclaimEveryMs) await this.#reclaim(lostAfterMs);
      if (this.#failing) this.#options.log.info({ event: "relay-works-again" });
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#options.log.warn({ event: "relay-failed", err: error });
      this.#failing = true;
    }
  }

  async #claim(): Promise<void> {
    const told: ServedTime[] = [...this.#served].map(([tenant, served]) => ({ tenant, ...served }));
    this.#served.clear();
    const claimed = await claimJobs(this.#options.system, this.#scope(), this.#options.windows, told);
    if (claimed === undefined) {
      // Another relay is at it; what was to be told is told next time.
      for (const { tenant, jobs, milliseconds } of told) {
        const since = this.#served.get(tenant) ?? { jobs: 0, milliseconds: 0 };
        this.#served.set(tenant, { jobs: since.jobs + jobs, milliseconds: since.milliseconds + milliseconds });
      }
      this.#again = true;
      return;
    }
    await this.#carry(claimed);
  }

  async #reclaim(olderThanMs: number): Promise<void> {
    this.#reclaimedAt = performance.now();
    const lost = await reclaimJobs(this.#options.system, this.#scope(), olderThanMs, reclaimedAtOnce);
    if (lost.length > 0) this.#options.log.info({ event: "jobs-handed-over-again", count: lost.length });
    await this.#carry(lost);
  }

  async #carry(jobs: readonly HandedJob[]): Promise<void> {
    const left = new Set(jobs);
    try {
      for (const [version, ofVersion] of Map.groupBy(jobs, (job) => job.version)) {
        await this.#options.carrier.add(version, ofVersion);
        for (const job of ofVersion) left.delete(job);
      }
    } catch (error) {
      await releaseJobs(this.#options.system, [...left], queueAwayMs);
      throw error;
    }
  }

  #scope(): ClaimScope {
    return { kinds: this.#options.kinds, syntheticOnly: this.#options.phase() === "standby" };
  }
}
