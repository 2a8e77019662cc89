import type { CellLife, LifePlan, RestoreReport } from "../../common/contracts/restores.ts";
import type { CellId, TenantId } from "../../common/ids.ts";
import type { Queryable } from "../../common/postgres/pool.ts";
import { tenantColumns, type TenantRecord } from "./tenants.store.ts";

/** Enough for years of restores of one cell. */
const mostLives = 100;

interface LifeRow {
  readonly incarnation: string;
  readonly plan: LifePlan | null;
  readonly report: RestoreReport | null;
  readonly confirmedAt: Date | null;
  readonly notedAt: Date;
}

const select = `SELECT incarnation, plan, report, confirmed_at AS "confirmedAt", noted_at AS "notedAt" FROM cell_lives`;

/** A cell's lives that the registry knows of, newest first. */
export async function listLives(db: Queryable, cell: CellId): Promise<CellLife[]> {
  const { rows } = await db.query<LifeRow>(`${select} WHERE cell = $1 ORDER BY noted_at DESC LIMIT $2`, [
    cell,
    mostLives,
  ]);
  return rows.map(({ notedAt, confirmedAt, ...life }) => ({
    ...life,
    notedAt: notedAt.toISOString(),
    confirmedAt: confirmedAt?.toISOString() ?? null,
  }));
}

/** What was decided about a life, null where nothing was yet. */
export async function findPlan(db: Queryable, cell: CellId, incarnation: string): Promise<LifePlan | null> {
  const { rows } = await db.query<LifeRow>(`${select} WHERE cell = $1 AND incarnation = $2`, [cell, incarnation]);
  return rows[0]?.plan ?? null;
}

export async function writePlan(tx: Queryable, cell: CellId, incarnation: string, plan: LifePlan): Promise<void> {
  await tx.query(
    `INSERT INTO cell_lives (cell, incarnation, plan, planned_at) VALUES ($1, $2, $3, now())
     ON CONFLICT (cell, incarnation) DO UPDATE SET plan = excluded.plan, planned_at = excluded.planned_at`,
    [cell, incarnation, JSON.stringify(plan)],
  );
}

/** Takes a plan back that the cell did not accept as it is. */
export async function dropPlan(db: Queryable, cell: CellId, incarnation: string): Promise<void> {
  await db.query("UPDATE cell_lives SET plan = NULL, planned_at = NULL WHERE cell = $1 AND incarnation = $2", [
    cell,
    incarnation,
  ]);
}

/** @returns whether it was not confirmed before */
export async function markConfirmed(tx: Queryable, cell: CellId, incarnation: string): Promise<boolean> {
  const text =
    "UPDATE cell_lives SET confirmed_at = now() WHERE cell = $1 AND incarnation = $2 AND confirmed_at IS NULL";
  return (await tx.query(text, [cell, incarnation])).rowCount === 1;
}

export async function writeReport(
  tx: Queryable,
  cell: CellId,
  incarnation: string,
  report: RestoreReport,
): Promise<void> {
  await tx.query(
    `INSERT INTO cell_lives (cell, incarnation, report) VALUES ($1, $2, $3)
     ON CONFLICT (cell, incarnation) DO UPDATE SET report = excluded.report`,
    [cell, incarnation, JSON.stringify(report)],
  );
}

/** Where the registry has these tenants, and all that it has in the cell. */
export async function placementsFor(
  db: Queryable,
  cell: CellId,
  tenants: readonly TenantId[],
): Promise<{ tenant: TenantId; cell: CellId; epoch: number }[]> {
  const text = "SELECT id AS tenant, cell, epoch FROM tenants WHERE cell = $1 OR id = ANY ($2::uuid[]) ORDER BY id";
  return (await db.query<{ tenant: TenantId; cell: CellId; epoch: number }>(text, [cell, tenants])).rows;
}

/** Cells that an operation holds together with this one, and may have given its tenants to. A command gives none away unless it relocates one. */
export async function claimPartners(db: Queryable, cell: CellId): Promise<CellId[]> {
  const text = `SELECT DISTINCT other.cell FROM claims own JOIN claims other ON other.operation = own.operation
    LEFT JOIN command_operations m ON m.operation = own.operation
    WHERE own.cell = $1 AND own.mode = 'shared' AND other.cell <> own.cell AND (m.operation IS NULL OR m.relocation IS NOT NULL)`;
  return (await db.query<{ cell: CellId }>(text, [cell])).rows.map((row) => row.cell);
}

/** Raises a tenant's epoch, never lowers it, and has its lease looked at again. Null where it stands as high already, or is not there. */
export async function raiseEpoch(tx: Queryable, tenant: TenantId, epoch: number): Promise<TenantRecord | null> {
  const text = `UPDATE tenants SET epoch = $2, lease_wanted = lease_wanted + 1 WHERE id = $1 AND epoch < $2 RETURNING ${tenantColumns}`;
  return (await tx.query<TenantRecord>(text, [tenant, epoch])).rows[0] ?? null;
}

/** As `raiseEpoch`, for a tenant whose cell has no lease of it any more: it is granted anew. */
export async function grantAnew(tx: Queryable, tenant: TenantId, epoch: number): Promise<TenantRecord | null> {
  const text = `UPDATE tenants SET epoch = $2, lease_wanted = lease_wanted + 1, lease_applied = 0 WHERE id = $1 AND epoch < $2 RETURNING ${tenantColumns}`;
  return (await tx.query<TenantRecord>(text, [tenant, epoch])).rows[0] ?? null;
}

/** Places a tenant where it is owned. Null where the registry knows a higher epoch. */
export async function followOwner(
  tx: Queryable,
  tenant: TenantId,
  cell: CellId,
  epoch: number,
): Promise<TenantRecord | null> {
  const text = `UPDATE tenants SET cell = $2, epoch = $3, lease_wanted = lease_wanted + 1 WHERE id = $1 AND epoch <= $3 RETURNING ${tenantColumns}`;
  return (await tx.query<TenantRecord>(text, [tenant, cell, epoch])).rows[0] ?? null;
}
