import type { ImportLease, Lease, LeaseStep, ReadyLease } from "../../common/contracts/cell-admin.ts";
import type { ReleaseRecord } from "../../common/contracts/lease.ts";
import type { TenantId } from "../../common/ids.ts";
import type { Pool, Queryable } from "../../common/postgres/pool.ts";
import { leaseColumns, lockWaitMs, ofThisLife, readLease, withoutWriters } from "./lease.store.ts";

// The destination's side of a move, each step a compare-and-set on the lease row:
//   none, released (tombstone)  → importing by import at a higher epoch
//   importing                   → importing by import of a newer attempt · ready by ready · what was before by abort
//   ready                       → importing by import of a newer attempt, or of the same that reopens its ended freeze · what was before by abort ·
//                                 active by a release record of the same operation, freeze and epoch, whoever brings it
// An attempt older than the newest that was seen, an aborted one included, changes nothing.

/** How a step at a lease ended. `lease` is what the cell holds then. */
export type StepOutcome =
  | { readonly kind: "done"; readonly lease: Lease }
  /** A newer attempt, or another operation, has the lease. */
  | { readonly kind: "outranked"; readonly lease: Lease | undefined }
  /** The lease is in a state from which the step does not lead on. */
  | { readonly kind: "moved-on"; readonly lease: Lease | undefined };

/** Begins an import, or begins it again. The rows that an earlier try left are the mover's to remove. */
export async function beginImport(system: Pool, tenant: TenantId, body: ImportLease): Promise<StepOutcome> {
  return withoutWriters(system, tenant, lockWaitMs, async (client) => {
    const held = await readLease(client, tenant);
    const verdict = judgeImport(held, body, await readBounds(client, tenant, body));
    if (verdict === "repeated") return { kind: "done", lease: held as Lease };
    if (verdict !== "begins") return { kind: verdict, lease: held };
    const begun = await client.query<Lease>(
      `INSERT INTO cellplane.leases AS l (tenant_id, state, epoch, incarnation, slug, tier, synthetic, operation, attempt, source_cell)
       SELECT $1, 'importing', $2, incarnation, $3, $4, $5, $6, $7, $8 FROM cellplane.cell
       ON CONFLICT (tenant_id) DO UPDATE SET state = 'importing', epoch = excluded.epoch, incarnation = excluded.incarnation, slug = excluded.slug,
         tier = excluded.tier, synthetic = excluded.synthetic, suspended = false, suspend_reason = NULL, operation = excluded.operation,
         attempt = excluded.attempt, source_cell = excluded.source_cell, freeze_id = NULL, freeze_deadline = NULL,
         former_epoch = CASE WHEN l.state = 'released' THEN l.epoch ELSE l.former_epoch END, updated_at = clock_timestamp()
       RETURNING ${leaseColumns}`,
      [tenant, body.epoch, body.slug, body.tier, body.synthetic, body.operation, body.attempt, body.source],
    );
    return { kind: "done", lease: only(begun.rows) };
  });
}

interface ImportBounds {
  /** The newest attempt of the operation that was aborted; 0 when none was. */
  readonly ended: number;
  /** The highest epoch that this cell said it would never take; 0 when none. */
  readonly refused: number;
}

async function readBounds(client: Queryable, tenant: TenantId, { operation }: LeaseStep): Promise<ImportBounds> {
  const found = await client.query<ImportBounds>(
    `SELECT coalesce((SELECT max(attempt) FROM cellplane.ended_imports WHERE tenant_id = $1 AND operation = $2), 0) AS ended,
       coalesce((SELECT max(epoch) FROM cellplane.refused_grants WHERE tenant_id = $1), 0) AS refused`,
    [tenant, operation],
  );
  return only(found.rows);
}

/** Whether an import may begin from what is held. Pure. */
export function judgeImport(
  held: Lease | undefined,
  body: ImportLease,
  { ended, refused }: ImportBounds,
): "begins" | "repeated" | "outranked" | "moved-on" {
  if (body.attempt <= ended) return "outranked";
  if (body.epoch <= refused) return "moved-on";
  if (held === undefined) return "begins";
  if (held.state === "released") return body.epoch > held.epoch ? "begins" : "moved-on";
  if (held.state !== "importing" && held.state !== "ready") return "moved-on";
  if (held.operation !== body.operation || body.attempt < held.attempt) return "outranked";
  if (body.attempt > held.attempt) return "begins";
  if (held.state === "importing") return "repeated";
  // The same attempt drains once more under a new freeze; a request that comes late names a freeze that is no longer the lease's.
  return body.reopen !== undefined && body.reopen === held.freeze ? "begins" : "moved-on";
}

/**
 * Holds an import in its place for the rest of the caller's transaction, in which rows of the tenant are written here.
 * @returns whether this attempt still has it; when not, nothing may be written.
 */
export async function holdImport(client: Queryable, tenant: TenantId, step: LeaseStep): Promise<boolean> {
  const held = await client.query(
    `SELECT FROM cellplane.leases WHERE tenant_id = $1 AND state = 'importing' AND operation = $2 AND attempt = $3 AND ${ofThisLife} FOR SHARE`,
    [tenant, step.operation, step.attempt],
  );
  return held.rowCount === 1;
}

/** All rows are here and their sums agree: the release under that freeze, and no other, makes the lease active. */
export async function makeReady(system: Queryable, tenant: TenantId, body: ReadyLease): Promise<StepOutcome> {
  const made = await system.query<Lease>(
    `UPDATE cellplane.leases SET state = 'ready', freeze_id = $4, suspended = $5, suspend_reason = $6, updated_at = clock_timestamp()
     WHERE tenant_id = $1 AND operation = $2 AND attempt = $3 AND (state = 'importing' OR (state = 'ready' AND freeze_id = $4)) AND ${ofThisLife}
     RETURNING ${leaseColumns}`,
    [tenant, body.operation, body.attempt, body.freeze, body.suspended ?? false, body.reason ?? null],
  );
  return made.rows[0] === undefined ? notDone(system, tenant, body) : { kind: "done", lease: made.rows[0] };
}

/** Gives an import up: what was before it is held again, nothing or a tombstone. Said again, or to a cell that never began, it holds. */
export async function abortImport(
  system: Pool,
  tenant: TenantId,
  step: LeaseStep,
): Promise<{ readonly kind: "done"; readonly lease: Lease | undefined } | Exclude<StepOutcome, { kind: "done" }>> {
  return withoutWriters(system, tenant, lockWaitMs, async (client) => {
    const held = await readLease(client, tenant);
    const ours = held !== undefined && held.operation === step.operation;
    const importing = held?.state === "importing" || held?.state === "ready";
    if (ours && held.attempt > step.attempt) return { kind: "outranked", lease: held };
    // It came to its end: what is owned is not given up by an abort.
    if (ours && (held.state === "active" || held.state === "frozen")) return { kind: "moved-on", lease: held };
    await client.query(
      `INSERT INTO cellplane.ended_imports AS e (tenant_id, operation, attempt) VALUES ($1, $2, $3)
       ON CONFLICT (tenant_id, operation) DO UPDATE SET attempt = greatest(e.attempt, excluded.attempt)`,
      [tenant, step.operation, step.attempt],
    );
    if (ours && importing) await endImport(client, tenant);
    return { kind: "done", lease: await readLease(client, tenant) };
  });
}

/** Removes what is held of a tenant, but brings back the tombstone that it replaced. */
export async function endImport(client: Queryable, tenant: TenantId): Promise<void> {
  const restored = await client.query(
    `UPDATE cellplane.leases SET state = 'released', epoch = former_epoch, former_epoch = NULL, source_cell = NULL, freeze_id = NULL, freeze_deadline = NULL,
       updated_at = clock_timestamp() WHERE tenant_id = $1 AND state IN ('importing', 'ready') AND former_epoch IS NOT NULL`,
    [tenant],
  );
  if (restored.rowCount === 0) await client.query(`DELETE FROM cellplane.leases WHERE tenant_id = $1`, [tenant]);
}

/**
 * Takes the tenant by a release record whose signature was checked. Only a lease that is ready for exactly this release becomes active; one that is
 * active at that epoch already, or beyond, stays as it is.
 */
export async function activateLease(system: Queryable, record: ReleaseRecord): Promise<StepOutcome> {
  const made = await system.query<Lease>(
    `WITH activated AS (
       UPDATE cellplane.leases SET state = 'active', freeze_id = NULL, release_record = NULL, former_epoch = NULL, updated_at = clock_timestamp()
       WHERE tenant_id = $1 AND state = 'ready' AND operation = $2 AND freeze_id = $3 AND epoch = $4 AND source_cell = $5 AND ${ofThisLife}
       RETURNING *
     ), forgotten AS (
       DELETE FROM cellplane.ended_imports WHERE tenant_id IN (SELECT tenant_id FROM activated)
     )
     SELECT ${leaseColumns} FROM activated`,
    [record.tenant, record.operation, record.freeze, record.epoch, record.from],
  );
  if (made.rows[0] !== undefined) return { kind: "done", lease: made.rows[0] };
  const held = await readLease(system, record.tenant);
  const beyond =
    held !== undefined && held.epoch >= record.epoch && (held.state === "active" || held.state === "frozen");
  return beyond ? { kind: "done", lease: held } : { kind: "moved-on", lease: held };
}

/** Why a step found no lease to change. */
export async function notDone(system: Queryable, tenant: TenantId, step: LeaseStep): Promise<StepOutcome> {
  const lease = await readLease(system, tenant);
  const outranked = lease !== undefined && (lease.operation !== step.operation || lease.attempt > step.attempt);
  return { kind: outranked ? "outranked" : "moved-on", lease };
}

function only<Row>(rows: readonly Row[]): Row {
  const row = rows[0];
  if (row === undefined) throw new Error("the cell is not provisioned");
  return row;
}
