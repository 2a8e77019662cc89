import type { Static, TSchema } from "typebox";
import type { TenantId } from "../../../common/ids.ts";
import type { Queryable } from "../../../common/postgres/pool.ts";
import type { Transaction } from "../tenant.store.ts";

/** Wakes the relays of this cell's workers; a notice carries nothing, the table is the truth. */
export const outboxChannel = "cellplane_outbox";

/** The part of a job's definition that writing it down needs. */
export interface JobKind<Payload extends TSchema = TSchema> {
  readonly name: string;
  readonly version: number;
  readonly payload: Payload;
}

export interface AddOptions {
  /** At most one waiting job of a tenant bears a key; adding it again does nothing. */
  readonly key?: string;
  /** Not before this many milliseconds have passed. */
  readonly delayMs?: number;
}

/** Writes a job down in the tenant's own transaction. */
export async function addJob<Payload extends TSchema>(
  tx: Transaction,
  kind: JobKind<Payload>,
  payload: Static<Payload>,
  options: AddOptions = {},
): Promise<void> {
  const delayMs = options.delayMs ?? 0;
  // NOTIFY takes a lock of the whole database at commit, so that it is spent only on what is due at once.
  await tx.query(
    `WITH added AS (
       INSERT INTO cellplane.outbox (job, payload_version, payload, key, run_at)
       VALUES ($1, $2, $3, $4, clock_timestamp() + make_interval(secs => $5))
       ON CONFLICT (tenant_id, job, key) WHERE key IS NOT NULL AND enqueued_at IS NULL DO NOTHING
       RETURNING run_at
     )
     SELECT pg_notify('${outboxChannel}', '') FROM added WHERE $5 = 0::double precision`,
    [kind.name, kind.version, JSON.stringify(payload), options.key ?? null, delayMs / 1000],
  );
}

export interface ClaimedJob {
  readonly tenant_id: TenantId;
  readonly id: string;
}

export interface ClaimOptions {
  /** `name@version` of the jobs that this release knows. */
  readonly kinds: readonly string[];
  /** A standby worker takes the synthetic tenant's jobs only. */
  readonly syntheticOnly: boolean;
  /** Most jobs of one tenant in flight at once. */
  readonly window: number;
  /** Most jobs claimed at once. */
  readonly batch: number;
}

/**
 * Claims due jobs, at most `window` in flight a tenant, and takes tenants in turns: first everybody's first job, then everybody's second,
 * and so on. That is deficit round robin (Shreedhar and Varghese, 1995) with every job costing the quantum, so that no deficit is ever
 * carried over. The windows are counted here, so that any number of workers share them.
 */
export async function claimJobs(system: Queryable, options: ClaimOptions): Promise<ClaimedJob[]> {
  const result = await system.query<ClaimedJob>(
    `WITH due AS MATERIALIZED (
       SELECT waiting.tenant_id, waiting.id
       FROM cellplane.leases lease
       CROSS JOIN LATERAL (
         SELECT o.tenant_id, o.id, o.run_at FROM cellplane.outbox o
         WHERE o.tenant_id = lease.tenant_id AND o.enqueued_at IS NULL AND o.run_at <= clock_timestamp()
           AND o.job || '@' || o.payload_version = ANY ($1)
         ORDER BY o.run_at, o.id
         LIMIT greatest(0, $3 - (SELECT count(*) FROM cellplane.outbox f WHERE f.tenant_id = lease.tenant_id AND f.enqueued_at IS NOT NULL))
         FOR UPDATE SKIP LOCKED
       ) waiting
       WHERE lease.state = 'active' AND NOT lease.suspended AND (lease.synthetic OR NOT $2)
     ), turns AS (
       SELECT tenant_id, id, row_number() OVER (PARTITION BY tenant_id ORDER BY id) AS turn FROM due
     ), chosen AS (
       SELECT tenant_id, id FROM turns ORDER BY turn, tenant_id LIMIT $4
     )
     UPDATE cellplane.outbox o SET enqueued_at = clock_timestamp()
     FROM chosen WHERE o.tenant_id = chosen.tenant_id AND o.id = chosen.id
     RETURNING o.tenant_id, o.id`,
    [[...options.kinds], options.syntheticOnly, options.window, options.batch],
  );
  return result.rows;
}

/**
 * Claims again what has been in flight for too long, e.g. because Redis lost it. Bounded; oldest first.
 * @param olderThanMs how long a job may be in flight before it is handed over again; harmless when the queue still has it.
 */
export async function reclaimJobs(
  system: Queryable,
  options: {
    readonly kinds: readonly string[];
    readonly syntheticOnly: boolean;
    readonly olderThanMs: number;
    readonly batch: number;
  },
): Promise<ClaimedJob[]> {
  const result = await system.query<ClaimedJob>(
    `WITH lost AS (
       SELECT o.tenant_id, o.id FROM cellplane.outbox o JOIN cellplane.leases lease ON lease.tenant_id = o.tenant_id
       WHERE o.enqueued_at < clock_timestamp() - make_interval(secs => $3::double precision / 1000)
         AND lease.state = 'active' AND NOT lease.suspended AND (lease.synthetic OR NOT $2) AND o.job || '@' || o.payload_version = ANY ($1)
       ORDER BY o.enqueued_at LIMIT $4 FOR UPDATE OF o SKIP LOCKED
     )
     UPDATE cellplane.outbox o SET enqueued_at = clock_timestamp()
     FROM lost WHERE o.tenant_id = lost.tenant_id AND o.id = lost.id
     RETURNING o.tenant_id, o.id`,
    [[...options.kinds], options.syntheticOnly, options.olderThanMs, options.batch],
  );
  return result.rows;
}

/** Lets jobs wait again, without using a try: the queue could not take them, or the fence refused them. */
export async function releaseJobs(system: Queryable, jobs: readonly ClaimedJob[], delayMs: number): Promise<void> {
  // A row whose key is waiting a second time would clash; it then keeps no key.
  await system.query(
    `UPDATE cellplane.outbox o SET enqueued_at = NULL, run_at = clock_timestamp() + make_interval(secs => $3::double precision / 1000),
       key = CASE WHEN EXISTS (SELECT FROM cellplane.outbox w WHERE w.tenant_id = o.tenant_id AND w.job = o.job AND w.key = o.key AND w.enqueued_at IS NULL)
         THEN NULL ELSE o.key END
     FROM unnest($1::uuid[], $2::uuid[]) AS given (tenant_id, id)
     WHERE o.tenant_id = given.tenant_id AND o.id = given.id AND o.enqueued_at IS NOT NULL`,
    [jobs.map((job) => job.tenant_id), jobs.map((job) => job.id), delayMs],
  );
}

export interface OutboxRow {
  readonly job: string;
  readonly payload_version: number;
  readonly payload: unknown;
  readonly tries: number;
}

/**
 * Takes a job out of the outbox and leaves its receipt, in the transaction that holds its effects.
 * @returns undefined when it is done already: somebody else's receipt is there.
 */
export async function takeJob(tx: Transaction, id: string): Promise<OutboxRow | undefined> {
  const taken = await tx.query<OutboxRow>(
    `WITH taken AS (
       DELETE FROM cellplane.outbox WHERE tenant_id = $1 AND id = $2 RETURNING id, job, payload_version, payload, tries
     ), receipt AS (
       INSERT INTO cellplane.receipts (id, job, tries) SELECT id, job, tries + 1 FROM taken
     )
     SELECT job, payload_version, payload, tries FROM taken`,
    [tx.tenant, id],
  );
  return taken.rows[0];
}

/** Counts a failed try and lets the job wait for the next one. */
export async function retryJob(system: Queryable, job: ClaimedJob, error: string, delayMs: number): Promise<void> {
  await system.query(`UPDATE cellplane.outbox SET tries = tries + 1, error = $3 WHERE tenant_id = $1 AND id = $2`, [
    job.tenant_id,
    job.id,
    error,
  ]);
  await releaseJobs(system, [job], delayMs);
}

/** Moves a job to the dead letters, in one statement. */
export async function buryJob(system: Queryable, job: ClaimedJob, error: string): Promise<void> {
  await system.query(
    `WITH dead AS (DELETE FROM cellplane.outbox WHERE tenant_id = $1 AND id = $2 RETURNING *)
     INSERT INTO cellplane.dead_letters (tenant_id, id, job, payload_version, payload, tries, error, created_at)
     SELECT tenant_id, id, job, payload_version, payload, tries + 1, $3, created_at FROM dead`,
    [job.tenant_id, job.id, error],
  );
}

/** How many tries a job has had, undefined when it is gone. */
export async function triesOf(system: Queryable, job: ClaimedJob): Promise<number | undefined> {
  const result = await system.query<{ tries: number }>(
    `SELECT tries FROM cellplane.outbox WHERE tenant_id = $1 AND id = $2`,
    [job.tenant_id, job.id],
  );
  return result.rows[0]?.tries;
}

export interface QueueCounts {
  readonly outbox: number;
  readonly oldestSeconds: number;
  readonly dead: number;
}

/** Backlog, age of what has been due longest, and dead letters. */
export async function countQueue(system: Queryable): Promise<QueueCounts> {
  const result = await system.query<{ outbox: number; oldest: number; dead: number }>(
    `SELECT (SELECT count(*) FROM cellplane.outbox) AS outbox,
       (SELECT greatest(0, coalesce(extract(epoch FROM clock_timestamp() - min(run_at)), 0))::double precision FROM cellplane.outbox) AS oldest,
       (SELECT count(*) FROM cellplane.dead_letters) AS dead`,
  );
  const row = result.rows[0];
  return { outbox: row?.outbox ?? 0, oldestSeconds: row?.oldest ?? 0, dead: row?.dead ?? 0 };
}
