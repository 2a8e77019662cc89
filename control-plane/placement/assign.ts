import type { CellId, TenantId } from "../../common/ids.ts";
import { add } from "./capacity.ts";
import type { CellSupply, TenantDemand } from "./demand.ts";
import { chooseCell } from "./place.ts";
import type { PlacementPolicy } from "./policy.ts";

/** Where a tenant would go; null where no cell fits it. */
export interface Assignment {
  readonly tenant: TenantId;
  readonly cell: CellId | null;
}

/**
 * Places tenants one after another, each counting the room that those before it take: what-if, evacuation, first fill.
 * The order is the caller's; largest first packs best.
 */
export function assignAll(
  tenants: readonly TenantDemand[],
  cells: readonly CellSupply[],
  policy: PlacementPolicy,
): readonly Assignment[] {
  const supplies = cells.map((cell) => ({ ...cell }));
  return tenants.map((tenant) => {
    const chosen = chooseCell(tenant, supplies, policy);
    if (chosen === null) return { tenant: tenant.tenant, cell: null };
    chosen.used = add(chosen.used, tenant.demand);
    if (tenant.antiAffinity.length > 0) chosen.labels = [...chosen.labels, ...tenant.antiAffinity];
    return { tenant: tenant.tenant, cell: chosen.cell };
  });
}
