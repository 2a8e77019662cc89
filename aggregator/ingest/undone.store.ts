import type { CellId, TenantId } from "../../common/ids.ts";
import { inTransaction, type Pool } from "../../common/postgres/pool.ts";

/** A tenant with the epoch at which the fleet document places it in a cell. */
export interface PlacedTenant {
  readonly tenant: TenantId;
  readonly epoch: number;
}

/**
 * Deletes what a cell said of its tenants in a past that a restore has undone: hours since `since` that the cell has not sent again at the tenant's present
 * epoch, although it has sent all that it holds. Of a tenant that lost everything nothing comes at the new epoch; it is known from the fleet document.
 * @returns how many rollups went.
 */
export async function deleteUndone(
  pool: Pool,
  cell: CellId,
  since: Date,
  placed: readonly PlacedTenant[],
): Promise<number> {
  return await inTransaction(pool, async (tx) => {
    await tx.query(
      `UPDATE owners o SET epoch = p.epoch FROM unnest($2::uuid[], $3::bigint[]) AS p (tenant, epoch)
       WHERE o.tenant = p.tenant AND o.cell = $1 AND o.epoch < p.epoch`,
      [cell, placed.map(({ tenant }) => tenant), placed.map(({ epoch }) => epoch)],
    );
    const gone = await tx.query(
      `DELETE FROM rollups r USING owners o
       WHERE o.cell = $1 AND r.tenant = o.tenant AND r.epoch < o.epoch AND r.bucket >= $2`,
      [cell, since],
    );
    return gone.rowCount ?? 0;
  });
}
