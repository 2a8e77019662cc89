import type { Limits, TenantRow, TenantState, Tier } from "../../common/contracts/fleet.ts";
import type { CellId, TenantId } from "../../common/ids.ts";
import type { Queryable } from "../../common/postgres/pool.ts";
import type { CapacityUnits } from "../placement/capacity.ts";
import type { Decision } from "../placement/decision.ts";

/** A tenant as the registry keeps it. */
export interface TenantRecord {
  readonly id: TenantId;
  readonly slug: string;
  readonly tier: Tier;
  readonly region: string | null;
  readonly cell: CellId;
  readonly epoch: number;
  readonly state: TenantState;
  readonly reason: string | null;
  readonly synthetic: boolean;
  readonly limits: Limits;
  readonly demand: CapacityUnits;
  /** Null for a synthetic tenant, which belongs to its cell and was never placed. */
  readonly decision: Decision | null;
  readonly explanation: string;
  readonly delivered: boolean;
  readonly leaseWanted: number;
  readonly leaseApplied: number;
  readonly createdAt: Date;
}

export const tenantColumns = `id, slug, tier, region, cell, epoch, state, reason, synthetic, limits, demand, decision, explanation, delivered,
    lease_wanted AS "leaseWanted", lease_applied AS "leaseApplied", created_at AS "createdAt"`;

/** Keeps two calls for one slug apart, also while there is no row yet. */
export async function lockSlug(tx: Queryable, slug: string): Promise<TenantRecord | null> {
  await tx.query("SELECT pg_advisory_xact_lock(hashtextextended('slug/' || $1, 0))", [slug]);
  return (
    (await tx.query<TenantRecord>(`SELECT ${tenantColumns} FROM tenants WHERE slug = $1 FOR UPDATE`, [slug])).rows[0] ??
    null
  );
}

export async function findTenant(db: Queryable, slug: string): Promise<TenantRecord | null> {
  return (await db.query<TenantRecord>(`SELECT ${tenantColumns} FROM tenants WHERE slug = $1`, [slug])).rows[0] ?? null;
}

export async function listTenants(
  db: Queryable,
  filter: {
    readonly limit: number;
    readonly after?: string | undefined;
    readonly cell?: string | undefined;
    readonly synthetic?: boolean | undefined;
  },
): Promise<TenantRecord[]> {
  const text = `SELECT ${tenantColumns} FROM tenants WHERE ($2::text IS NULL OR slug > $2) AND ($3::text IS NULL OR cell = $3)
    AND (synthetic = coalesce($4, false)) ORDER BY slug LIMIT $1`;
  return (
    await db.query<TenantRecord>(text, [
      filter.limit,
      filter.after ?? null,
      filter.cell ?? null,
      filter.synthetic ?? null,
    ])
  ).rows;
}

/** Customers' tenants by tier and state, and by cell and tier; synthetic ones are left out. */
export async function countTenants(
  db: Queryable,
): Promise<{ cell: CellId; tier: Tier; state: TenantState; count: number }[]> {
  const text =
    "SELECT cell, tier, state, count(*) AS count FROM tenants WHERE NOT synthetic GROUP BY cell, tier, state";
  return (await db.query<{ cell: CellId; tier: Tier; state: TenantState; count: number }>(text)).rows;
}

export type NewTenant = Pick<
  TenantRecord,
  | "id"
  | "slug"
  | "tier"
  | "region"
  | "cell"
  | "synthetic"
  | "limits"
  | "demand"
  | "decision"
  | "explanation"
  | "delivered"
>;

export async function insertTenant(tx: Queryable, tenant: NewTenant): Promise<TenantRecord> {
  const text = `INSERT INTO tenants (id, slug, tier, region, cell, state, synthetic, limits, demand, decision, explanation, delivered)
    VALUES ($1, $2, $3, $4, $5, 'provisioning', $6, $7, $8, $9, $10, $11) RETURNING ${tenantColumns}`;
  const { id, slug, tier, region, cell, synthetic, limits, demand, decision, explanation, delivered } = tenant;
  const json = [limits, demand, decision].map((value) => (value === null ? null : JSON.stringify(value)));
  const { rows } = await tx.query<TenantRecord>(text, [
    id,
    slug,
    tier,
    region,
    cell,
    synthetic,
    ...json,
    explanation,
    delivered,
  ]);
  return one(rows);
}

/** Sets a customer's wish: the state, and that the cell's lease has to follow. */
export async function wantState(
  tx: Queryable,
  id: TenantId,
  state: TenantState,
  reason: string | null,
): Promise<TenantRecord> {
  const text = `UPDATE tenants SET state = $2, reason = $3, lease_wanted = lease_wanted + 1 WHERE id = $1 RETURNING ${tenantColumns}`;
  return one((await tx.query<TenantRecord>(text, [id, state, reason])).rows);
}

export async function markDelivered(tx: Queryable, id: TenantId): Promise<void> {
  await tx.query("UPDATE tenants SET delivered = true WHERE id = $1", [id]);
}

/** Tenants whose lease is behind what is wanted. */
export async function tenantsToReconcile(db: Queryable, limit: number): Promise<TenantRecord[]> {
  const text = `SELECT ${tenantColumns} FROM tenants WHERE lease_applied < lease_wanted ORDER BY id LIMIT $1`;
  return (await db.query<TenantRecord>(text, [limit])).rows;
}

/** Notes that the lease is as was wanted at that count. @returns the tenant, or null where somebody noted it before. */
export async function noteLease(tx: Queryable, id: TenantId, applied: number): Promise<TenantRecord | null> {
  const text = `UPDATE tenants SET lease_applied = $2, state = CASE state WHEN 'provisioning' THEN 'active' ELSE state END
    WHERE id = $1 AND lease_applied < $2 RETURNING ${tenantColumns}`;
  return (await tx.query<TenantRecord>(text, [id, applied])).rows[0] ?? null;
}

/** Tenants of one tier, by slug. */
export async function tenantsOfTier(db: Queryable, tier: Tier, limit: number): Promise<TenantRecord[]> {
  return (
    await db.query<TenantRecord>(`SELECT ${tenantColumns} FROM tenants WHERE tier = $1 ORDER BY slug LIMIT $2`, [
      tier,
      limit,
    ])
  ).rows;
}

/** The synthetic tenant of a cell. */
export async function findSynthetic(db: Queryable, cell: CellId): Promise<TenantRecord | null> {
  return (
    (await db.query<TenantRecord>(`SELECT ${tenantColumns} FROM tenants WHERE cell = $1 AND synthetic`, [cell]))
      .rows[0] ?? null
  );
}

/** A tenant's row of the fleet document. */
export function tenantRowOf(tenant: TenantRecord): TenantRow {
  const { id, slug, tier, cell, epoch, state, reason, synthetic, limits } = tenant;
  return { id, slug, domains: [], tier, cell, epoch, state, reason, moving: false, synthetic, limits };
}

function one<Row>(rows: readonly Row[]): Row {
  const [row] = rows;
  if (row === undefined) throw new Error("the statement answered no row");
  return row;
}
