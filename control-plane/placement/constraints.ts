import { dominantUtilisation } from "./capacity.ts";
import type { CellSupply, TenantDemand } from "./demand.ts";
import type { PlacementPolicy } from "./policy.ts";

/** Why a cell was not chosen. Order is the order in which constraints are checked. */
export const exclusions = ["residency", "tier", "cordoned", "ring", "anti-affinity", "reserved", "full"] as const;
export type Exclusion = (typeof exclusions)[number];

/** The first constraint that keeps the tenant out of the cell; null when it may go there. */
export function exclusionOf(tenant: TenantDemand, cell: CellSupply, policy: PlacementPolicy): Exclusion | null {
  if (tenant.residency.length > 0 && !tenant.residency.includes(cell.region)) return "residency";
  if (cell.tiers.length > 0 && !cell.tiers.includes(tenant.tier)) return "tier";
  if (cell.cordoned) return "cordoned";
  if (tenant.ring !== null && tenant.ring !== cell.ring) return "ring";
  if (tenant.antiAffinity.length > 0 && tenant.antiAffinity.some((label) => cell.labels.includes(label)))
    return "anti-affinity";
  if (isReserved(tenant, cell, policy)) return "reserved";
  if (dominantUtilisation(cell.capacity, cell.used, tenant.demand, policy.headroom) > 1) return "full";
  return null;
}

/** What an exclusion means, for a person; the cell's and tenant's own values in it. */
export function exclusionText(exclusion: Exclusion, tenant: TenantDemand, cell: CellSupply): string {
  switch (exclusion) {
    case "residency":
      return `in ${cell.region}, but the tenant's data must stay in ${tenant.residency.join(" or ")}`;
    case "tier":
      return `takes ${cell.tiers.join(" and ")} tenants only, not ${tenant.tier}`;
    case "cordoned":
      return "cordoned: takes no new tenants";
    case "ring":
      return `in release ring ${cell.ring}, but the tenant must be in ${tenant.ring}`;
    case "anti-affinity":
      return `holds a tenant it must not share a cell with (${tenant.antiAffinity.filter((label) => cell.labels.includes(label)).join(", ")})`;
    case "reserved":
      return cell.dedicatedTo === null ? "shared with other tenants" : "reserved for another tenant";
    case "full":
      return "has not enough room beside its headroom";
    default:
      return exclusion satisfies never;
  }
}

function isReserved(tenant: TenantDemand, cell: CellSupply, policy: PlacementPolicy): boolean {
  if (cell.dedicatedTo !== null) return cell.dedicatedTo !== tenant.tenant;
  return policy.strategy === "dedicated" && cell.used.tenants > 0;
}
