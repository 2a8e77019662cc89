import type { TenantId } from "../../../common/ids.ts";
import type { Queryable } from "../../../common/postgres/pool.ts";

/** Told at each change of a lease (migration kit/0004). */
export const leaseChannel = "cellplane_lease";

/** The epochs at which these tenants may have streams open here: leases that are active and not suspended. */
export async function servedEpochs(system: Queryable, tenants: readonly TenantId[]): Promise<Map<TenantId, number>> {
  const result = await system.query<{ tenant_id: TenantId; epoch: number }>(
    `SELECT tenant_id, epoch FROM cellplane.leases WHERE tenant_id = ANY($1) AND state = 'active' AND NOT suspended`,
    [tenants],
  );
  return new Map(result.rows.map((row) => [row.tenant_id, row.epoch]));
}
