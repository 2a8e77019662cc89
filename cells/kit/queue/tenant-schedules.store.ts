import type { TenantId } from "../../../common/ids.ts";
import type { Queryable } from "../../../common/postgres/pool.ts";
import type { Transaction } from "../tenant.store.ts";
import type { Rhythm } from "./cron.ts";

/** A tenant's schedule is a row that somebody looks at; what wants thousands of them is a table of the application's own and one job. */
export const mostSchedules = 100;

export interface TenantSchedule {
  readonly name: string;
  readonly job: string;
  readonly version: number;
  readonly payload: unknown;
  readonly priority: number;
  readonly cron: string | null;
  readonly everySeconds: number | null;
  readonly timeZone: string;
  readonly nextAt: Date;
}

const columns = `name, job, payload_version AS version, payload, priority, cron, every_seconds AS "everySeconds", time_zone AS "timeZone", next_at AS "nextAt"`;

/** The database's clock, by which schedules come due. */
export async function databaseNow(db: Pick<Transaction, "query">): Promise<Date> {
  const { rows } = await db.query<{ now: Date }>("SELECT clock_timestamp() AS now");
  const row = rows[0];
  if (row === undefined) throw new Error("the database did not say what time it is");
  return row.now;
}

/**
 * Keeps a schedule under its name. The same rhythm again leaves the next firing where it is, so that saying it at each start changes nothing.
 * @returns false when the tenant has as many as it may have.
 */
export async function saveSchedule(
  tx: Transaction,
  schedule: Omit<TenantSchedule, "payload"> & { readonly payload: string },
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `INSERT INTO cellplane.tenant_schedules AS s
       (name, job, payload_version, payload, priority, cron, every_seconds, time_zone, next_at)
     SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9
     WHERE (SELECT count(*) FROM cellplane.tenant_schedules WHERE name <> $1) < ${mostSchedules}
     ON CONFLICT (tenant_id, name) DO UPDATE SET job = excluded.job, payload_version = excluded.payload_version, payload = excluded.payload,
       priority = excluded.priority, cron = excluded.cron, every_seconds = excluded.every_seconds, time_zone = excluded.time_zone,
       next_at = CASE WHEN s.cron IS NOT DISTINCT FROM excluded.cron AND s.every_seconds IS NOT DISTINCT FROM excluded.every_seconds
         AND s.time_zone = excluded.time_zone THEN s.next_at ELSE excluded.next_at END`,
    [
      schedule.name,
      schedule.job,
      schedule.version,
      schedule.payload,
      schedule.priority,
      schedule.cron,
      schedule.everySeconds,
      schedule.timeZone,
      schedule.nextAt,
    ],
  );
  return rowCount === 1;
}

/** @returns whether there was one. */
export async function removeSchedule(tx: Transaction, name: string): Promise<boolean> {
  const { rowCount } = await tx.query("DELETE FROM cellplane.tenant_schedules WHERE name = $1", [name]);
  return rowCount === 1;
}

export async function listSchedules(tx: Transaction): Promise<TenantSchedule[]> {
  return (await tx.query<TenantSchedule>(`SELECT ${columns} FROM cellplane.tenant_schedules ORDER BY name`)).rows;
}

/** Schedules that are due, of tenants under an active lease, whose kind of job is known here. Bounded; most overdue first. */
export async function dueTenantSchedules(
  system: Queryable,
  kinds: readonly string[],
  limit: number,
): Promise<{ readonly tenant: TenantId; readonly name: string }[]> {
  const { rows } = await system.query<{ tenant: TenantId; name: string }>(
    `SELECT s.tenant_id AS tenant, s.name FROM cellplane.tenant_schedules s JOIN cellplane.leases lease ON lease.tenant_id = s.tenant_id
     WHERE s.next_at <= clock_timestamp() AND lease.state = 'active' AND NOT lease.suspended AND s.job || '@' || s.payload_version = ANY ($1)
     ORDER BY s.next_at LIMIT $2`,
    [[...kinds], limit],
  );
  return rows;
}

/** A due schedule, held until the transaction ends; undefined when it was fired or taken away meanwhile. */
export async function holdDueSchedule(tx: Transaction, name: string): Promise<TenantSchedule | undefined> {
  const { rows } = await tx.query<TenantSchedule>(
    `SELECT ${columns} FROM cellplane.tenant_schedules WHERE name = $1 AND next_at <= clock_timestamp() FOR UPDATE`,
    [name],
  );
  return rows[0];
}

export async function moveSchedule(tx: Transaction, name: string, nextAt: Date): Promise<void> {
  await tx.query("UPDATE cellplane.tenant_schedules SET next_at = $2 WHERE name = $1", [name, nextAt]);
}

/** The rhythm of a row. */
export function rhythmOf({ cron, everySeconds, timeZone }: TenantSchedule): Rhythm {
  return cron === null ? { everySeconds: everySeconds ?? 0 } : { cron, timeZone };
}
