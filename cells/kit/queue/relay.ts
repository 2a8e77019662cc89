import type { Logger } from "../../../common/log.ts";
import type { Pool } from "../../../common/postgres/pool.ts";
import type { SlotPhase } from "../cell-state.ts";
import type { JobCarrier } from "./bull.ts";
import { claimJobs, reclaimJobs, releaseJobs, type ClaimedJob } from "./outbox.store.ts";

// What a worker's relay does, by the phase of its slot:
//   live      moves every tenant's due jobs to the queue     → draining
//   standby   moves the synthetic tenant's only              → live
//   draining  moves nothing; what runs is finished           → live

export interface RelayOptions {
  readonly system: Pool;
  readonly carrier: Pick<JobCarrier, "add">;
  /** `name@version` of what this release knows. */
  readonly kinds: readonly string[];
  readonly phase: () => SlotPhase;
  /** Whether this database is the cell's own life; nothing runs otherwise. */
  readonly confirmed: () => boolean;
  readonly log: Logger;
}

/** Without a notice the outbox is looked at this often: delayed jobs come due silently. */
const pollMs = 500;
/** Most jobs of a tenant in flight at once: a tenant with a long backlog leaves the workers to others. */
const window = 16;
const batch = 64;
/** What has been handed over for so long without an end may be lost. Longer than a job may run, with its time in the queue. */
const lostAfterMs = 15_000;
const reclaimEveryMs = 5_000;
/** A queue that cannot be reached is tried again after this. */
const queueAwayMs = 1_000;

/** Moves due jobs from the outbox to the queue, on notice and on timer. */
export class OutboxRelay {
  readonly #options: RelayOptions;
  readonly #versions: readonly number[];
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | null = null;
  #again = false;
  #stopped = false;
  #reclaimedAt = 0;
  #failing = false;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#versions = [...new Set(options.kinds.map(versionOf))];
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

  /** At a switch to this slot: what the other slot's worker had in its queue is taken over at once. */
  async takeOver(): Promise<void> {
    await this.#reclaim(0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  async #look(): Promise<void> {
    const phase = this.#options.phase();
    if (phase === "draining" || !this.#options.confirmed()) return;
    try {
      for (const version of this.#versions) {
        const claimed = await claimJobs(this.#options.system, {
          kinds: this.#kindsOf(version),
          syntheticOnly: phase === "standby",
          window,
          batch,
        });
        await this.#carry(version, claimed);
        if (claimed.length === batch) this.#again = true;
      }
      if (performance.now() - this.#reclaimedAt > reclaimEveryMs) await this.#reclaim(lostAfterMs);
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#options.log.warn({ event: "relay-failed", err: error });
      this.#failing = true;
    }
  }

  async #reclaim(olderThanMs: number): Promise<void> {
    this.#reclaimedAt = performance.now();
    const syntheticOnly = this.#options.phase() === "standby";
    for (const version of this.#versions) {
      const lost = await reclaimJobs(this.#options.system, {
        kinds: this.#kindsOf(version),
        syntheticOnly,
        olderThanMs,
        batch: batch * 4,
      });
      if (lost.length > 0) this.#options.log.info({ event: "jobs-handed-over-again", count: lost.length });
      await this.#carry(version, lost);
    }
  }

  async #carry(version: number, jobs: readonly ClaimedJob[]): Promise<void> {
    if (jobs.length === 0) return;
    try {
      await this.#options.carrier.add(version, jobs);
    } catch (error) {
      await releaseJobs(this.#options.system, jobs, queueAwayMs);
      throw error;
    }
  }

  #kindsOf(version: number): string[] {
    return this.#options.kinds.filter((kind) => versionOf(kind) === version);
  }
}

function versionOf(kind: string): number {
  return Number(kind.slice(kind.lastIndexOf("@") + 1));
}
