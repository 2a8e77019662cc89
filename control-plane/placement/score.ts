import { dominantUtilisation } from "./capacity.ts";
import type { CellSupply, TenantDemand } from "./demand.ts";
import type { PlacementPolicy } from "./policy.ts";
import { rendezvousScore, unitInterval } from "./rendezvous.ts";

/**
 * How well a cell that satisfies the constraints suits a tenant under the policy's strategy: **lower is better**.
 * Utilisations lie in 0 to 1, so region ranks (whole numbers) always weigh more.
 */
export function scoreOf(tenant: TenantDemand, cell: CellSupply, policy: PlacementPolicy): number {
  switch (policy.strategy) {
    case "tenant":
      return isVeryLarge(tenant, policy) ? 1 - utilisation(tenant, cell, policy) : utilisation(tenant, cell, policy);
    case "hash":
      return rendezvousScore(tenant.tenant, cell.cell, cell.capacity.requestsPerSecond);
    case "geographic":
      return 2 * distance(tenant.home, cell.region, policy) + utilisation(tenant, cell, policy);
    case "random":
      return unitInterval(`${policy.seed}/${tenant.tenant}`, cell.cell);
    case "hybrid":
      return 2 * rank(regionsByWish(tenant), cell.region) + utilisation(tenant, cell, policy);
    case "dedicated":
      return 1 - utilisation(tenant, cell, policy);
    default:
      return policy.strategy satisfies never;
  }
}

/**
 * Whether the tenant is so large that scattering its like would leave no cell with room for the next one. By the
 * tenant alone, not by tenant and cell: the scores of one decision must all mean the same.
 */
export function isVeryLarge(tenant: TenantDemand, policy: PlacementPolicy): boolean {
  const { requestsPerSecond, storageBytes } = tenant.demand;
  return requestsPerSecond >= policy.veryLarge.requestsPerSecond || storageBytes >= policy.veryLarge.storageBytes;
}

function utilisation(tenant: TenantDemand, cell: CellSupply, policy: PlacementPolicy): number {
  return dominantUtilisation(cell.capacity, cell.used, tenant.demand, policy.headroom);
}

function distance(home: string | null, region: string, policy: PlacementPolicy): number {
  if (home === null || home === region) return 0;
  const nearest = policy.proximity[home] ?? [];
  return (
    1 +
    rank(
      nearest.filter((other) => other !== home),
      region,
    )
  );
}

function regionsByWish(tenant: TenantDemand): readonly string[] {
  if (tenant.residency.length > 0) return tenant.residency;
  return tenant.home === null ? [] : [tenant.home];
}

function rank(order: readonly string[], region: string): number {
  const index = order.indexOf(region);
  return index === -1 ? order.length : index;
}
