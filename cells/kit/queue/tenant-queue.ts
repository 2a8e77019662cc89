import type { Static, TSchema } from "typebox";
import type { Transaction } from "../tenant.store.ts";
import { nextFiring, type Rhythm } from "./cron.ts";
import { addJob, payloadText, type AddOptions, type JobKind } from "./outbox.store.ts";
import { priorityOf, rankOf, type Priority } from "./priorities.ts";
import {
  databaseNow,
  listSchedules,
  mostSchedules,
  removeSchedule,
  rhythmOf,
  saveSchedule,
} from "./tenant-schedules.store.ts";

/** When a schedule fires: every so many seconds, or by a cron expression of five fields in a time zone (UTC unless said otherwise). */
export type ScheduleOptions = Rhythm & {
  /** Names the schedule among the tenant's; the same name again replaces it. */
  readonly name: string;
  readonly priority?: Priority;
};

/** A tenant's schedule as it stands. */
export interface Schedule {
  readonly name: string;
  readonly job: string;
  readonly rhythm: Rhythm;
  readonly priority: Priority;
  readonly nextAt: Date;
}

/** A tenant's jobs. All of it is part of the transaction: done if that commits, and not otherwise. */
export interface TenantQueue {
  /**
   * Writes a job down: either it and the data it follows from are there or neither.
   * @returns the job's id, which its run bears too; undefined where a waiting job has the key already.
   * @throws TypeError for a payload that does not fit the job's schema or is over 64 KiB, or for options that make no sense.
   */
  add<Payload extends TSchema>(
    tx: Transaction,
    job: JobKind<Payload>,
    payload: Static<Payload>,
    options?: AddOptions,
  ): Promise<string | undefined>;
  /**
   * Repeats a job for this tenant from now on, until it is unscheduled. It fires only while the tenant is served here; firings missed meanwhile are
   * one, and a job that still waits is not added again. The same schedule again changes nothing.
   * @throws TypeError for a rhythm that is none, or when the tenant has 100 already.
   */
  schedule<Payload extends TSchema>(
    tx: Transaction,
    job: JobKind<Payload>,
    payload: Static<Payload>,
    options: ScheduleOptions,
  ): Promise<void>;
  /** Ends a schedule; what it has already added still runs. @returns whether there was one of that name. */
  unschedule(tx: Transaction, name: string): Promise<boolean>;
  /** The tenant's schedules by name. */
  schedules(tx: Transaction): Promise<Schedule[]>;
}

const mostNameCharacters = 100;

async function schedule<Payload extends TSchema>(
  tx: Transaction,
  job: JobKind<Payload>,
  payload: Static<Payload>,
  options: ScheduleOptions,
): Promise<void> {
  const { name, priority } = options;
  if (name === "" || name.length > mostNameCharacters)
    throw new TypeError(`a schedule's name has 1 to ${mostNameCharacters} characters`);
  const kept = await saveSchedule(tx, {
    name,
    job: job.name,
    version: job.version,
    payload: payloadText(job, payload),
    priority: rankOf(priority),
    cron: options.cron ?? null,
    everySeconds: options.everySeconds ?? null,
    timeZone: options.timeZone ?? "UTC",
    nextAt: await nextFiring(options, await databaseNow(tx)),
  });
  if (!kept) throw new TypeError(`a tenant has at most ${mostSchedules} schedules`);
}

async function schedules(tx: Transaction): Promise<Schedule[]> {
  return (await listSchedules(tx)).map((row) => ({
    name: row.name,
    job: row.job,
    rhythm: rhythmOf(row),
    priority: priorityOf(row.priority),
    nextAt: row.nextAt,
  }));
}

export const tenantQueue: TenantQueue = { add: addJob, schedule, unschedule: removeSchedule, schedules };
