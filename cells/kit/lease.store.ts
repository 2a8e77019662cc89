import type { GrantLease, Lease } from "../../common/contracts/cell-admin.ts";
import type { TenantId } from "../../common/ids.ts";
import { inTransaction, sqlState, type Pool, type Queryable } from "../../common/postgres/pool.ts";
import { cellError } from "./errors.ts";

/** A row of leases as a `Lease`. */
export const leaseColumns = `tenant_id AS tenant, state, epoch, suspended, suspend_reason AS reason, slug, tier, synthetic, operation, attempt, freeze_id AS freeze,
  to_char(freeze_deadline AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "freezeDeadline", release_record AS "releaseRecord", source_cell AS source, incarnation`;

/** What a lease must be to act in this life of the database: a restored one waits for the registry's word. */
export const ofThisLife = `incarnation = (SELECT incarnation FROM cellplane.cell)`;

/**
 * How long a step waits for the tenant's writers. New writers queue behind who waits, so it is short; a step that gives up comes again, and they pass
 * meanwhile.
 */
export const lockWaitMs = 250;
/** A suspension stops the writers anyway, so it waits for the longest of them (a tenant's transaction lasts 5 s, the system's statements 5 s). */
const suspendWaitMs = 4_000;

/** Every lease of the cell, tombstones too, ordered by tenant. */
export async function listLeases(system: Queryable): Promise<Lease[]> {
  const result = await system.query<Lease>(`SELECT ${leaseColumns} FROM cellplane.leases ORDER BY tenant_id`);
  return result.rows;
}

export async function readLease(system: Queryable, tenant: TenantId): Promise<Lease | undefined> {
  const result = await system.query<Lease>(`SELECT ${leaseColumns} FROM cellplane.leases WHERE tenant_id = $1`, [
    tenant,
  ]);
  return result.rows[0];
}

export type GrantOutcome =
  | { readonly kind: "granted"; readonly lease: Lease }
  | { readonly kind: "refused-before" }
  | { readonly kind: "held"; readonly lease: Lease };

/**
 * Takes a tenant by the registry's grant. Asked again it answers the same; a tombstone gives way to a higher epoch only, and what this cell said it
 * would refuse stays refused.
 */
export async function grantLease(system: Pool, tenant: TenantId, grant: GrantLease): Promise<GrantOutcome> {
  return withoutWriters(system, tenant, lockWaitMs, async (client) => {
    const refused = await client.query(`SELECT FROM cellplane.refused_grants WHERE tenant_id = $1 AND epoch >= $2`, [
      tenant,
      grant.epoch,
    ]);
    if (refused.rowCount !== 0) return { kind: "refused-before" } as const;
    const held = await readLease(client, tenant);
    if (held !== undefined && held.epoch === grant.epoch && (held.state === "active" || held.state === "frozen"))
      return { kind: "granted", lease: held } as const;
    if (held !== undefined && (held.state !== "released" || held.epoch >= grant.epoch))
      return { kind: "held", lease: held } as const;
    const made = await client.query<Lease>(
      `INSERT INTO cellplane.leases (tenant_id, state, epoch, incarnation, slug, tier, synthetic)
       SELECT $1, 'active', $2, incarnation, $3, $4, $5 FROM cellplane.cell
       ON CONFLICT (tenant_id) DO UPDATE SET state = 'active', epoch = excluded.epoch, incarnation = excluded.incarnation, slug = excluded.slug,
         tier = excluded.tier, synthetic = excluded.synthetic, suspended = false, suspend_reason = NULL, operation = NULL, attempt = 0, freeze_id = NULL,
         freeze_deadline = NULL, release_record = NULL, source_cell = NULL, former_epoch = NULL, updated_at = clock_timestamp()
       RETURNING ${leaseColumns}`,
      [tenant, grant.epoch, grant.slug, grant.tier, grant.synthetic],
    );
    const lease = made.rows[0];
    if (lease === undefined) throw new Error("the cell is not provisioned");
    return { kind: "granted", lease } as const;
  });
}

/** Says for ever that a grant will not be accepted. @returns the lease where there is one, i.e. it is too late to refuse. */
export async function refuseGrant(system: Pool, tenant: TenantId, epoch: number): Promise<Lease | undefined> {
  return withoutWriters(system, tenant, lockWaitMs, async (client) => {
    const held = await readLease(client, tenant);
    if (held !== undefined && held.state !== "released") return held;
    await client.query(
      `INSERT INTO cellplane.refused_grants (tenant_id, epoch) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
      [tenant, epoch],
    );
    return undefined;
  });
}

/** Sets or lifts the suspension of a tenant that is owned here. */
export async function suspendLease(
  system: Pool,
  tenant: TenantId,
  suspended: boolean,
  reason: string | null,
): Promise<Lease | undefined> {
  // Without writers, so that no write that began before is still under way when the suspension is acknowledged.
  return withoutWriters(system, tenant, suspendWaitMs, async (client) => {
    const result = await client.query<Lease>(
      `UPDATE cellplane.leases SET suspended = $2, suspend_reason = $3, updated_at = clock_timestamp() WHERE tenant_id = $1 AND state <> 'released' RETURNING ${leaseColumns}`,
      [tenant, suspended, suspended ? reason : null],
    );
    return result.rows[0];
  });
}

/**
 * Gives tenants whose freeze is past its deadline back to themselves; the late release then fails its compare-and-set. What a write is thawing at this
 * moment is left to it.
 * @returns how many.
 */
export async function thawExpired(system: Queryable): Promise<number> {
  const result = await system.query(
    `UPDATE cellplane.leases SET state = 'active', freeze_id = NULL, freeze_deadline = NULL, updated_at = clock_timestamp()
     WHERE tenant_id IN (SELECT tenant_id FROM cellplane.leases WHERE state = 'frozen' AND freeze_deadline < clock_timestamp() FOR UPDATE SKIP LOCKED)`,
  );
  return result.rowCount ?? 0;
}

/** Whether the cell holds that tenant as a synthetic one. */
export async function isSyntheticLease(system: Queryable, tenant: TenantId): Promise<boolean> {
  return (await readLease(system, tenant))?.synthetic ?? false;
}

/**
 * Runs `work` in a transaction while no write of the tenant is under way: its lock, which writers share, held alone.
 * @throws lease-busy when the writers, or another step, do not let go in time.
 */
export function withoutWriters<Result>(
  system: Pool,
  tenant: TenantId,
  waitMs: number,
  work: (client: Queryable) => Promise<Result>,
): Promise<Result> {
  return withinWait(system, waitMs, async (client) => {
    await client.query(`SELECT pg_advisory_xact_lock(cellplane.lock_key($1))`, [tenant]);
    return work(client);
  });
}

/**
 * Runs `work` in a transaction that waits a bounded time for each lock. A lease's row may be locked for as long as a write lasts: by the first one past a
 * freeze's deadline, which thaws.
 * @throws lease-busy
 */
export async function withinWait<Result>(
  system: Pool,
  waitMs: number,
  work: (client: Queryable) => Promise<Result>,
): Promise<Result> {
  return inTransaction(system, async (client) => {
    await client.query(`SET LOCAL lock_timeout = ${waitMs}`);
    try {
      return await work(client);
    } catch (cause) {
      // lock_not_available
      if (sqlState(cause) !== "55P03") throw cause;
      throw cellError("lease-busy", `The tenant's writers did not let go within ${waitMs} ms.`, {
        cause,
        extra: { retryAfterSeconds: 1 },
      });
    }
  });
}
