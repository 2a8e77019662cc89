import type { TenantId } from "../../../common/ids.ts";
import type { Queryable } from "../../../common/postgres/pool.ts";
import type { Transaction } from "../tenant.store.ts";

export interface DueSchedule {
  readonly tenant_id: TenantId;
  readonly job: string;
}

/** Scheduled jobs that are due, or have no row yet, for every tenant under an active lease. Bounded; most overdue first. */
export async function dueSchedules(system: Queryable, jobs: readonly string[], limit: number): Promise<DueSchedule[]> {
  const result = await system.query<DueSchedule>(
    `SELECT lease.tenant_id, wanted.job
     FROM cellplane.leases lease CROSS JOIN unnest($1::text[]) AS wanted (job)
     LEFT JOIN cellplane.schedules s ON s.tenant_id = lease.tenant_id AND s.job = wanted.job
     WHERE lease.state = 'active' AND NOT lease.suspended AND (s.next_at IS NULL OR s.next_at <= clock_timestamp())
     ORDER BY s.next_at NULLS LAST LIMIT $2`,
    [[...jobs], limit],
  );
  return result.rows;
}

/**
 * Moves a schedule on by one period (the first time by a random part of it, so that tenants do not all run at once).
 * @returns whether it was due, i.e. the job is to be added in the same transaction.
 */
export async function advanceSchedule(tx: Transaction, job: string, everySeconds: number): Promise<boolean> {
  const result = await tx.query<{ existed: boolean }>(
    `INSERT INTO cellplane.schedules AS s (job, next_at) VALUES ($1, clock_timestamp() + make_interval(secs => $2::double precision * random()))
     ON CONFLICT (tenant_id, job) DO UPDATE SET next_at = clock_timestamp() + make_interval(secs => $2::double precision)
       WHERE s.next_at <= clock_timestamp()
     RETURNING (xmax <> 0) AS existed`,
    [job, everySeconds],
  );
  return result.rows[0]?.existed ?? false;
}

/** Removes bookkeeping that nobody needs any more, in bounded batches. @returns rows removed. */
export async function removeOld(
  system: Queryable,
  limits: { readonly receiptsDays: number; readonly deadLettersDays: number; readonly rollupsDays: number },
  batch: number,
): Promise<number> {
  let removed = 0;
  for (const [table, column, days] of [
    ["receipts", "finished_at", limits.receiptsDays],
    ["dead_letters", "died_at", limits.deadLettersDays],
    // A bucket's value is needed for replay as long as its aggregator may ask for it.
    ["rollups", "bucket", limits.rollupsDays],
  ] as const) {
    const result = await system.query(
      `DELETE FROM cellplane.${table} WHERE ctid IN (
         SELECT ctid FROM cellplane.${table} WHERE ${column} < now() - make_interval(days => $1) LIMIT $2)`,
      [days, batch],
    );
    removed += result.rowCount ?? 0;
  }
  return removed;
}
