import type { TSchema } from "typebox";
import type { Logger } from "../../../common/log.ts";
import type { Pool } from "../../../common/postgres/pool.ts";
import { isRefusal } from "../database-errors.ts";
import type { JobDefinition } from "../kit.ts";
import { thawExpired } from "../lease.store.ts";
import type { TenantDatabase } from "../tenant.store.ts";
import { addJob } from "./outbox.store.ts";
import { advanceSchedule, dueSchedules, removeOld } from "./schedule.store.ts";

export interface SchedulerOptions {
  readonly system: Pool;
  readonly database: TenantDatabase;
  readonly jobs: readonly JobDefinition<TSchema, never>[];
  /** Whether this process is the cell's single worker now: its slot is live and it holds the database's lock. */
  readonly isSingle: () => boolean;
  readonly log: Logger;
}

const tickMs = 2_000;
/** Schedules fired in one tick; more are due again at the next. */
const firedAtOnce = 100;
const cleanEveryMs = 300_000;
const cleanBatch = 5_000;
const kept = { receiptsDays: 1, deadLettersDays: 30, rollupsDays: 35 } as const;

/** Fires tenants' scheduled jobs, and removes the kit's old bookkeeping. One worker of a cell does it at a time. */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #scheduled: ReadonlyMap<
    string,
    { readonly job: JobDefinition<TSchema, never>; readonly everySeconds: number }
  >;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  #cleanedAt = Number.NEGATIVE_INFINITY;
  #failing = false;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#scheduled = new Map(
      options.jobs.flatMap((job) =>
        job.everySeconds === undefined ? [] : [[job.name, { job, everySeconds: job.everySeconds }] as const],
      ),
    );
  }

  start(): void {
    if (this.#stopped) return;
    this.#running = this.#tick().finally(() => {
      if (!this.#stopped) this.#timer = setTimeout(() => this.start(), tickMs);
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  async #tick(): Promise<void> {
    if (!this.#options.isSingle()) return;
    try {
      // The first write past the deadline thaws too; but a tenant that only waits for its jobs would wait for ever.
      await thawExpired(this.#options.system);
      for (const due of await dueSchedules(this.#options.system, [...this.#scheduled.keys()], firedAtOnce))
        await this.#fire(due.tenant_id, due.job);
      if (performance.now() - this.#cleanedAt > cleanEveryMs) {
        const removed = await removeOld(this.#options.system, kept, cleanBatch);
        if (removed < cleanBatch) this.#cleanedAt = performance.now();
      }
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#options.log.warn({ event: "scheduler-failed", err: error });
      this.#failing = true;
    }
  }

  /** In the tenant's own transaction, so that the fence holds and both the schedule and its job are there or neither. */
  async #fire(tenant: Parameters<TenantDatabase["run"]>[0]["tenant"], name: string): Promise<void> {
    const scheduled = this.#scheduled.get(name);
    if (scheduled === undefined) return;
    try {
      await this.#options.database.run({ tenant, epoch: null }, "write", async (tx) => {
        if (await advanceSchedule(tx, name, scheduled.everySeconds))
          await addJob(tx, scheduled.job, {}, { key: "schedule" });
      });
    } catch (error) {
      // Moved, frozen or suspended meanwhile: the schedule waits for its lease.
      if (!isRefusal(error)) throw error;
    }
  }
}
