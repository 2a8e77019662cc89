import type { TenantId } from "../../../common/ids.ts";
import type { Queryable } from "../../../common/postgres/pool.ts";

/** Backlog of a queue: of the cell, or of one tenant. */
export interface QueueCounts {
  /** Written down and not handed over, delayed ones too. */
  readonly waiting: number;
  /** Handed over and not ended. */
  readonly inFlight: number;
  /** For how long the job that is due longest has been so, whether it waits or is in flight; of tenants that are served here. */
  readonly oldestSeconds: number;
  readonly dead: number;
  /** Tenants, or the cell itself, whose outbox is full. */
  readonly full: number;
}

export interface TenantBacklog {
  readonly tenant: TenantId;
  readonly waiting: number;
  readonly inFlight: number;
}

const nothing: QueueCounts = { waiting: 0, inFlight: 0, oldestSeconds: 0, dead: 0, full: 0 };

/** Counts the queue of the cell, or of one tenant. A suspended or frozen tenant's jobs wait for their tenant, and count as waiting, not as late. */
export async function countQueue(system: Queryable, tenant: TenantId | null = null): Promise<QueueCounts> {
  const { rows } = await system.query<QueueCounts>(
    `SELECT count(*) FILTER (WHERE o.enqueued_at IS NULL) AS waiting, count(*) FILTER (WHERE o.enqueued_at IS NOT NULL) AS "inFlight",
       greatest(0, coalesce(extract(epoch FROM clock_timestamp() - min(o.run_at) FILTER (WHERE lease.state = 'active' AND NOT lease.suspended)), 0))::double precision AS "oldestSeconds",
       (SELECT count(*) FROM cellplane.dead_letters WHERE $1::uuid IS NULL OR tenant_id = $1) AS dead,
       (SELECT count(*) FROM cellplane.full_outboxes WHERE $1::uuid IS NULL OR tenant_id = $1) AS "full"
     FROM cellplane.outbox o LEFT JOIN cellplane.leases lease ON lease.tenant_id = o.tenant_id
     WHERE $1::uuid IS NULL OR o.tenant_id = $1`,
    [tenant],
  );
  return rows[0] ?? nothing;
}

/** The tenants with most waiting, at most `limit`. */
export async function longestBacklogs(system: Queryable, limit: number): Promise<TenantBacklog[]> {
  const { rows } = await system.query<TenantBacklog>(
    `SELECT tenant_id AS tenant, count(*) FILTER (WHERE enqueued_at IS NULL) AS waiting, count(*) FILTER (WHERE enqueued_at IS NOT NULL) AS "inFlight"
     FROM cellplane.outbox GROUP BY tenant_id ORDER BY 2 DESC, tenant_id LIMIT $1`,
    [limit],
  );
  return rows;
}

export interface OutboxBounds {
  readonly tenant: number;
  readonly cell: number;
}

/** Stands for the cell among the tenants whose outbox is full. */
const wholeCell = "00000000-0000-0000-0000-000000000000";
/** A full outbox takes jobs again once so much of it is done: without this gap each job done would let one in, and the next be refused. */
const openAgainBelow = 0.9;

/** Notes whose outbox is full, and whose no longer is. @returns how many are. */
export async function markFullOutboxes(system: Queryable, bounds: OutboxBounds): Promise<number> {
  const { rows } = await system.query<{ marked: number }>(
    `WITH counted AS (
       SELECT tenant_id, count(*) AS waiting FROM cellplane.outbox GROUP BY GROUPING SETS ((tenant_id), ())
     ), judged AS (
       SELECT coalesce(tenant_id, '${wholeCell}') AS tenant_id, waiting, CASE WHEN tenant_id IS NULL THEN $2::bigint ELSE $1::bigint END AS bound FROM counted
     ), marked AS (
       INSERT INTO cellplane.full_outboxes AS f (tenant_id, waiting) SELECT tenant_id, waiting FROM judged WHERE waiting >= bound
       ON CONFLICT (tenant_id) DO UPDATE SET waiting = excluded.waiting RETURNING 1
     ), opened AS (
       DELETE FROM cellplane.full_outboxes f
       WHERE NOT EXISTS (SELECT FROM judged j WHERE j.tenant_id = f.tenant_id AND j.waiting >= j.bound * ${openAgainBelow})
     )
     SELECT count(*) AS marked FROM marked`,
    [bounds.tenant, bounds.cell],
  );
  return rows[0]?.marked ?? 0;
}
