import type { Queryable } from "../../../common/postgres/pool.ts";
import type { Transaction } from "../tenant.store.ts";
import type { ClaimedJob } from "./claim.store.ts";
import type { ErrorLink } from "./error-chain.ts";

/** A job whose try has been counted. */
export interface StartedJob {
  readonly job: string;
  readonly version: number;
  /** The try that begins, from 1. */
  readonly attempt: number;
  /** Earlier tries that ended without a word. */
  readonly crashes: number;
}

export type Start =
  | { readonly kind: "started"; readonly row: StartedJob }
  /** An earlier try ended without a word: it is to run with nobody beside it. Nothing was counted. */
  | { readonly kind: "suspect" }
  /** Done, or somebody else runs it now, or it waits again: the queue had it twice. */
  | { readonly kind: "gone" }
  /** The tenant is not to be written to now, so that the job waits. */
  | { readonly kind: "refused" };

/**
 * Counts a try before it begins, so that one which ends the process counts too. A row that still bears the start of an earlier try, and which
 * nobody holds, is such a try.
 * @param alone whether nothing else runs in this process, so that suspects may begin.
 */
export async function startJob(system: Queryable, job: ClaimedJob, alone: boolean): Promise<Start> {
  // Not synced to disk: what a crash of the database forgets is that a try began, and its effects with it.
  const result = await system.query<{ may: boolean; suspect: boolean } & StartedJob>(
    `WITH quiet AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)), held AS MATERIALIZED (
       SELECT o.tenant_id, o.id, coalesce(lease.state = 'active' AND NOT lease.suspended, false) AS may,
         NOT $3 AND (o.started_at IS NOT NULL OR o.crashes > 0) AS suspect
       FROM quiet, cellplane.outbox o LEFT JOIN cellplane.leases lease ON lease.tenant_id = o.tenant_id
       WHERE o.tenant_id = $1 AND o.id = $2 AND o.enqueued_at IS NOT NULL FOR UPDATE OF o SKIP LOCKED
     ), started AS (
       UPDATE cellplane.outbox o SET tries = o.tries + 1, crashes = o.crashes + (o.started_at IS NOT NULL)::int,
         started_at = clock_timestamp()
       FROM held WHERE held.may AND NOT held.suspect AND o.tenant_id = held.tenant_id AND o.id = held.id
       RETURNING o.job, o.payload_version AS version, o.tries AS attempt, o.crashes
     )
     SELECT held.may, held.suspect, started.* FROM held LEFT JOIN started ON true`,
    [job.tenant_id, job.id, alone],
  );
  const row = result.rows[0];
  if (row === undefined) return { kind: "gone" };
  if (!row.may) return { kind: "refused" };
  if (row.suspect) return { kind: "suspect" };
  const { job: name, version, attempt, crashes } = row;
  return { kind: "started", row: { job: name, version, attempt, crashes } };
}

/**
 * Takes a job out of the outbox and leaves its receipt, in the transaction that holds its effects.
 * @returns its payload; undefined when it is done already: somebody else's receipt is there.
 */
export async function takeJob(tx: Transaction, id: string): Promise<{ readonly payload: unknown } | undefined> {
  const taken = await tx.query<{ payload: unknown }>(
    `WITH taken AS (
       DELETE FROM cellplane.outbox WHERE tenant_id = $1 AND id = $2 RETURNING id, job, payload, tries
     ), receipt AS (
       INSERT INTO cellplane.receipts (id, job, tries) SELECT id, job, tries FROM taken
     )
     SELECT payload FROM taken`,
    [tx.tenant, id],
  );
  return taken.rows[0];
}

/** Lets a job whose try failed wait for the next one, with what was wrong. */
export async function retryJob(
  system: Queryable,
  job: ClaimedJob,
  errors: readonly ErrorLink[],
  delayMs: number,
): Promise<void> {
  // A row whose key is waiting a second time would clash; it then keeps no key.
  await system.query(
    `UPDATE cellplane.outbox o SET enqueued_at = NULL, started_at = NULL, error = $3, errors = $4::jsonb,
       run_at = clock_timestamp() + make_interval(secs => $5::double precision / 1000),
       key = CASE WHEN EXISTS (SELECT FROM cellplane.outbox w WHERE w.tenant_id = o.tenant_id AND w.job = o.job AND w.key = o.key AND w.enqueued_at IS NULL)
         THEN NULL ELSE o.key END
     WHERE o.tenant_id = $1 AND o.id = $2 AND o.enqueued_at IS NOT NULL`,
    [job.tenant_id, job.id, shortError(errors), JSON.stringify(errors), delayMs],
  );
}

/** Moves a job to the dead letters, in one statement, unless it is gone. */
export async function buryJob(
  system: Queryable,
  job: ClaimedJob,
  tries: number,
  errors: readonly ErrorLink[],
): Promise<void> {
  await system.query(
    `WITH dead AS (DELETE FROM cellplane.outbox WHERE tenant_id = $1 AND id = $2 RETURNING *)
     INSERT INTO cellplane.dead_letters
       (tenant_id, id, job, payload_version, payload, tries, error, created_at, priority, key, crashes, last_try_at, errors)
     SELECT tenant_id, id, job, payload_version, payload, $5, $3, created_at, priority, key, crashes, started_at, $4::jsonb FROM dead`,
    [job.tenant_id, job.id, shortError(errors), JSON.stringify(errors), tries],
  );
}

function shortError(errors: readonly ErrorLink[]): string {
  const first = errors[0];
  return first === undefined ? "" : `${first.name}: ${first.message}`;
}
