import type { TenantId } from "../../../common/ids.ts";
import type { Queryable } from "../../../common/postgres/pool.ts";

export interface ClaimedJob {
  readonly tenant_id: TenantId;
  readonly id: string;
}

/** A job on its way to the queue of its payload's version. */
export interface HandedJob extends ClaimedJob {
  readonly version: number;
}

/** Which jobs a relay may hand over. */
export interface ClaimScope {
  /** `name@version` of the jobs that this release knows. */
  readonly kinds: readonly string[];
  /** A standby worker takes the synthetic tenant's jobs only. */
  readonly syntheticOnly: boolean;
}

/** What a tenant's jobs took of a worker since it was last told. */
export interface ServedTime {
  readonly tenant: TenantId;
  readonly jobs: number;
  readonly milliseconds: number;
}

/** Most jobs in flight at once, of one tenant and of the cell. The more, the longer a job of somebody else waits behind them. */
export interface Windows {
  readonly tenant: number;
  readonly cell: number;
}

// What a lost commit of the bookkeeping costs is at worst one more hand-over, or one try not counted; waiting for the disk would cost each job its own sync.
const unsynced = `quiet AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))`;

/**
 * A job of a tenant that is not known yet is taken to last this long. Too little would let the first jobs of a flood of slow ones fill the
 * queue; too much costs a tenant of quick jobs one round.
 */
const unknownCostMs = 1_000;
/** As much of its own time may a tenant have in flight, at two jobs at least: so many that it need not wait for the relay, so few that others need not wait for it. */
const inFlightMs = 1_000;
const inFlightJobs = 2;
/** A tenant that had nothing to do is owed this much when it comes back, not its whole silence: a second, so that a short burst goes first. */
const owedMs = 1_000;

/**
 * Hands out turns: deficit round robin over tenants (Shreedhar and Varghese, 1995), the quantum a worker's time in milliseconds. What a job takes
 * is known only when it is over, so tenants are charged afterwards (as in surplus round robin) and jobs in flight count with what the tenant's
 * jobs lately took. A tenant's deficit is how far its `served_ms` lies behind the cell's clock; kept this way round only the tenants that are
 * served are written, not everybody in each round. Everything is counted in the database, so that any worker may relay; the clock's row lets one claim
 * at a time.
 * @param told time to charge first
 * @returns the jobs, now in flight; undefined when another relay is at it, and nothing was charged.
 */
export async function claimJobs(
  system: Queryable,
  scope: ClaimScope,
  windows: Windows,
  told: readonly ServedTime[],
): Promise<HandedJob[] | undefined> {
  const result = await system.query<Omit<HandedJob, "tenant_id"> & { readonly tenant_id: TenantId | null }>(
    `WITH ${unsynced}, clock AS MATERIALIZED (
       SELECT ms FROM quiet, cellplane.share_clock WHERE the_one FOR UPDATE OF share_clock SKIP LOCKED
     ), told AS (
       SELECT tenant_id, ms, jobs FROM unnest($5::uuid[], $6::double precision[], $7::int[]) AS t (tenant_id, ms, jobs)
     ), flying AS (
       SELECT tenant_id, count(*) AS jobs FROM cellplane.outbox WHERE enqueued_at IS NOT NULL GROUP BY tenant_id
     ), tenants AS MATERIALIZED (
       SELECT lease.tenant_id, coalesce(flying.jobs, 0) AS in_flight,
         greatest(coalesce(s.served_ms, 0), clock.ms - ${owedMs}) + coalesce(told.ms, 0) AS served,
         greatest(0.1, CASE WHEN told.jobs IS NULL THEN coalesce(s.cost_ms, ${unknownCostMs})
           WHEN s.cost_ms IS NULL THEN told.ms / told.jobs
           -- A tenant that grows slow is known as slow at once, one that grows quick after a few jobs.
           ELSE greatest(told.ms / told.jobs, s.cost_ms * 0.8 + told.ms / told.jobs * 0.2) END) AS cost,
         told.jobs IS NOT NULL AS is_told
       FROM clock, cellplane.leases lease
       LEFT JOIN flying ON flying.tenant_id = lease.tenant_id
       LEFT JOIN told ON told.tenant_id = lease.tenant_id
       LEFT JOIN cellplane.shares s ON s.tenant_id = lease.tenant_id
       WHERE lease.state = 'active' AND NOT lease.suspended AND (lease.synthetic OR NOT $2)
     ), due AS MATERIALIZED (
       SELECT t.tenant_id, waiting.id,
         t.served + (t.in_flight + row_number() OVER (PARTITION BY t.tenant_id ORDER BY waiting.priority, waiting.run_at, waiting.id) - 1) * t.cost AS turn
       FROM tenants t CROSS JOIN LATERAL (
         SELECT o.id, o.priority, o.run_at FROM (VALUES (0::smallint), (1::smallint), (2::smallint)) AS p (priority) CROSS JOIN LATERAL (
           SELECT id, priority, run_at FROM cellplane.outbox
           WHERE tenant_id = t.tenant_id AND enqueued_at IS NULL AND priority = p.priority AND run_at <= now()
             AND job || '@' || payload_version = ANY ($1)
           ORDER BY run_at, id LIMIT greatest(0, least($3, greatest(${inFlightJobs}, ${inFlightMs} / t.cost)) - t.in_flight)
         ) o ORDER BY o.priority, o.run_at, o.id LIMIT greatest(0, least($3, greatest(${inFlightJobs}, ${inFlightMs} / t.cost)) - t.in_flight)
       ) waiting
     ), chosen AS (
       -- The literal tells the planner how few they are: it must not read the whole outbox to hand over sixteen jobs.
       SELECT tenant_id, id, turn FROM (SELECT tenant_id, id, turn FROM due ORDER BY turn, id LIMIT ${Math.trunc(windows.cell)}) best ORDER BY turn, id
       LIMIT greatest(0, $4 - (SELECT coalesce(sum(in_flight), 0) FROM tenants))
     ), free AS (
       SELECT o.tenant_id, o.id FROM chosen JOIN cellplane.outbox o ON o.tenant_id = chosen.tenant_id AND o.id = chosen.id
       WHERE o.enqueued_at IS NULL FOR UPDATE OF o SKIP LOCKED
     ), handed AS (
       UPDATE cellplane.outbox o SET enqueued_at = clock_timestamp() FROM free
       WHERE o.tenant_id = free.tenant_id AND o.id = free.id
       RETURNING o.tenant_id, o.id, o.payload_version AS version
     ), charged AS (
       INSERT INTO cellplane.shares AS s (tenant_id, served_ms, cost_ms)
       SELECT tenant_id, served, cost FROM tenants WHERE is_told
       ON CONFLICT (tenant_id) DO UPDATE SET served_ms = excluded.served_ms, cost_ms = excluded.cost_ms, updated_at = clock_timestamp()
     ), ticked AS (
       UPDATE cellplane.share_clock c SET ms = greatest(c.ms, furthest.turn)
       FROM (SELECT max(turn) AS turn FROM chosen) furthest WHERE c.the_one AND furthest.turn > c.ms
     )
     SELECT handed.* FROM clock LEFT JOIN handed ON true`,
    [
      [...scope.kinds],
      scope.syntheticOnly,
      windows.tenant,
      windows.cell,
      told.map(({ tenant }) => tenant),
      told.map(({ milliseconds }) => milliseconds),
      told.map(({ jobs }) => jobs),
    ],
  );
  if (result.rows.length === 0) return undefined;
  return result.rows.flatMap(({ tenant_id, ...job }) => (tenant_id === null ? [] : [{ tenant_id, ...job }]));
}

/**
 * Forgets what tenants had of the workers' time that the cell does not hold any more; one that comes back begins as a new one does.
 * @returns how many.
 */
export async function forgetShares(system: Queryable, atOnce: number): Promise<number> {
  const { rowCount } = await system.query(
    `WITH ${unsynced}, departed AS (
       SELECT s.tenant_id FROM quiet, cellplane.shares s LEFT JOIN cellplane.leases lease ON lease.tenant_id = s.tenant_id
       WHERE lease.tenant_id IS NULL OR lease.state = 'released' LIMIT $1
     )
     DELETE FROM cellplane.shares s USING departed WHERE s.tenant_id = departed.tenant_id`,
    [atOnce],
  );
  return rowCount ?? 0;
}

/**
 * Hands over again what has been in flight for too long, e.g. because Redis lost it. Bounded; oldest first. What runs now holds its row's lock and is
 * left alone.
 * @param olderThanMs how long a job may be in flight before it is handed over again; harmless when the queue still has it.
 */
export async function reclaimJobs(
  system: Queryable,
  scope: ClaimScope,
  olderThanMs: number,
  atOnce: number,
): Promise<HandedJob[]> {
  const result = await system.query<HandedJob>(
    `WITH ${unsynced}, lost AS (
       SELECT o.tenant_id, o.id FROM quiet, cellplane.outbox o JOIN cellplane.leases lease ON lease.tenant_id = o.tenant_id
       WHERE o.enqueued_at < clock_timestamp() - make_interval(secs => $3::double precision / 1000)
         AND lease.state = 'active' AND NOT lease.suspended AND (lease.synthetic OR NOT $2) AND o.job || '@' || o.payload_version = ANY ($1)
       ORDER BY o.enqueued_at LIMIT $4 FOR UPDATE OF o SKIP LOCKED
     )
     UPDATE cellplane.outbox o SET enqueued_at = clock_timestamp()
     FROM lost WHERE o.tenant_id = lost.tenant_id AND o.id = lost.id
     RETURNING o.tenant_id, o.id, o.payload_version AS version`,
    [[...scope.kinds], scope.syntheticOnly, olderThanMs, atOnce],
  );
  return result.rows;
}

/**
 * Lets jobs wait again, without using a try: the queue could not take them, or the fence refused them. What runs now is left alone.
 * @param gaveTry whether a try had been counted, which is taken back.
 */
export async function releaseJobs(
  system: Queryable,
  jobs: readonly ClaimedJob[],
  delayMs: number,
  gaveTry = false,
): Promise<void> {
  // A row whose key is waiting a second time would clash; it then keeps no key.
  await system.query(
    `WITH ${unsynced}, free AS (
       SELECT o.tenant_id, o.id, o.key IS NOT NULL AND EXISTS (
         SELECT FROM cellplane.outbox w WHERE w.tenant_id = o.tenant_id AND w.job = o.job AND w.key = o.key AND w.enqueued_at IS NULL) AS clashes
       FROM quiet, cellplane.outbox o JOIN unnest($1::uuid[], $2::uuid[]) AS given (tenant_id, id) ON o.tenant_id = given.tenant_id AND o.id = given.id
       WHERE o.enqueued_at IS NOT NULL FOR UPDATE OF o SKIP LOCKED
     )
     UPDATE cellplane.outbox o SET enqueued_at = NULL, run_at = clock_timestamp() + make_interval(secs => $3::double precision / 1000),
       started_at = CASE WHEN $4 THEN NULL ELSE o.started_at END, tries = CASE WHEN $4 THEN greatest(0, o.tries - 1) ELSE o.tries END,
       key = CASE WHEN free.clashes THEN NULL ELSE o.key END
     FROM free WHERE o.tenant_id = free.tenant_id AND o.id = free.id`,
    [jobs.map((job) => job.tenant_id), jobs.map((job) => job.id), delayMs, gaveTry],
  );
}
