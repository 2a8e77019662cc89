import type { MergeKind } from "../../common/contracts/rollups.ts";
import type { CellId, TenantId } from "../../common/ids.ts";
import type { Queryable } from "../../common/postgres/pool.ts";

export interface RollupSpan {
  readonly aggregate: string;
  readonly from: Date;
  readonly to: Date;
}

/** A tenant's hours of one aggregate, and at which cell it was last heard of. */
export interface TenantHours {
  readonly tenant: TenantId;
  readonly slug: string;
  readonly tier: string;
  readonly epoch: number;
  readonly cell: CellId;
  readonly merge: MergeKind;
  readonly hours: readonly unknown[];
}

/**
 * What was pushed of tenants that belong to these cells, or are named. Synthetic tenants are never part of an answer.
 * @param cells owners by the last word heard; null for all.
 */
export async function tenantHours(
  pool: Queryable,
  span: RollupSpan,
  cells: readonly CellId[] | null,
  tenants: readonly TenantId[],
): Promise<readonly TenantHours[]> {
  const { rows } = await pool.query<TenantHours>(
    `SELECT r.tenant, (array_agg(r.slug ORDER BY r.bucket DESC))[1] AS slug, (array_agg(r.tier ORDER BY r.bucket DESC))[1] AS tier,
       (array_agg(r.merge ORDER BY r.bucket DESC))[1] AS merge, o.epoch, o.cell, jsonb_agg(r.value) AS hours
     FROM rollups r JOIN owners o ON o.tenant = r.tenant
     WHERE r.aggregate = $1 AND r.bucket >= $2 AND r.bucket < $3 AND NOT r.synthetic
       AND ($4::text[] IS NULL OR o.cell = ANY($4) OR r.tenant = ANY($5::uuid[]))
     GROUP BY r.tenant, o.epoch, o.cell`,
    [span.aggregate, span.from, span.to, cells, tenants],
  );
  return rows;
}
