import type { TSchema } from "typebox";
import type { TenantId } from "../../../common/ids.ts";
import type { Logger } from "../../../common/log.ts";
import type { Pool } from "../../../common/postgres/pool.ts";
import { isOutboxFull, isRefusal } from "../database-errors.ts";
import type { JobDefinition } from "../kit.ts";
import { thawExpired } from "../lease.store.ts";
import { rollupsKeptDays } from "../rollups/kept.ts";
import type { TenantDatabase } from "../tenant.store.ts";
import { forgetShares } from "./claim.store.ts";
import { nextFiring } from "./cron.ts";
import { addJob, fitsPayload } from "./outbox.store.ts";
import { priorityOf } from "./priorities.ts";
import { advanceSchedule, dueSchedules, removeOld } from "./schedule.store.ts";
import { databaseNow, dueTenantSchedules, holdDueSchedule, moveSchedule, rhythmOf } from "./tenant-schedules.store.ts";

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
const kept = { receiptsDays: 1, deadLettersDays: 30, rollupsDays: rollupsKeptDays } as const;

/** Fires tenants' scheduled jobs, and removes the kit's old bookkeeping. One worker of a cell does it at a time. */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #scheduled: ReadonlyMap<
    string,
    { readonly job: JobDefinition<TSchema, never>; readonly everySeconds: number }
  >;
  readonly #kinds: ReadonlyMap<string, JobDefinition<TSchema, never>>;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  #cleanedAt = Number.NEGATIVE_INFINITY;
  #failing = false;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#kinds = new Map(options.jobs.map((job) => [`${job.name}@${job.version}`, job]));
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
      for (const due of await dueTenantSchedules(this.#options.system, [...this.#kinds.keys()], firedAtOnce))
        await this.#fireOwn(due.tenant, due.name);
      if (performance.now() - this.#cleanedAt > cleanEveryMs) {
        const removed = await removeOld(this.#options.system, kept, cleanBatch);
        const forgotten = await forgetShares(this.#options.system, cleanBatch);
        if (Math.max(removed, forgotten) < cleanBatch) this.#cleanedAt = performance.now();
      }
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#options.log.warn({ event: "scheduler-failed", err: error });
      this.#failing = true;
    }
  }

  /** In the tenant's own transaction, so that the fence holds and both the schedule and its job are there or neither. */
  async #fire(tenant: TenantId, name: string): Promise<void> {
    const scheduled = this.#scheduled.get(name);
    if (scheduled === undefined) return;
    try {
      await this.#options.database.run({ tenant, epoch: null }, "write", async (tx) => {
        if (await advanceSchedule(tx, name, scheduled.everySeconds))
          await addJob(tx, scheduled.job, {}, { key: "schedule" });
      });
    } catch (error) {
      this.#excuse(error);
    }
  }

  /** A tenant's own schedule: what it missed is one firing, and a job that still waits is not added again. */
  async #fireOwn(tenant: TenantId, name: string): Promise<void> {
    const { database, log } = this.#options;
    try {
      await database.run({ tenant, epoch: null }, "write", async (tx) => {
        const due = await holdDueSchedule(tx, name);
        const kind = due === undefined ? undefined : this.#kinds.get(`${due.job}@${due.version}`);
        if (due === undefined || kind === undefined) return;
        await moveSchedule(tx, name, await nextFiring(rhythmOf(due), await databaseNow(tx)));
        if (!fitsPayload(kind.payload, due.payload))
          return log.error({ event: "schedule-does-not-fit", tenant, schedule: name, kind: due.job });
        await addJob(tx, kind, due.payload, { key: `schedule:${name}`, priority: priorityOf(due.priority) });
      });
    } catch (error) {
      this.#excuse(error);
    }
  }

  /** Moved, frozen or suspended meanwhile, or its outbox is full: the schedule waits. */
  #excuse(error: unknown): void {
    if (!isRefusal(error) && !isOutboxFull(error)) throw error;
  }
}
