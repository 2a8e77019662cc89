import {
  defaultCellCapacity,
  defaultPolicy,
  demandOfTier,
  type PlacementPolicy,
} from "../../../control-plane/placement/policy.ts";
import type { CellSupply, TenantDemand } from "../../../control-plane/placement/demand.ts";
import type { Tier } from "../../../common/contracts/fleet.ts";
import { cellId, tenantId } from "../../../common/ids.ts";

export const emptyUse = { requestsPerSecond: 0, storageBytes: 0, tenants: 0 };

export const uuid = (n: number) => tenantId(`00000000-0000-7000-8000-${n.toString(16).padStart(12, "0")}`);

export function aTenant(n: number, tier: Tier = "free", overrides: Partial<TenantDemand> = {}): TenantDemand {
  const base = { residency: [], home: null, ring: null, antiAffinity: [] };
  return { tenant: uuid(n), tier, demand: demandOfTier[tier], ...base, ...overrides };
}

export function aCell(name: string, overrides: Partial<CellSupply> = {}): CellSupply {
  return {
    cell: cellId(name),
    region: "eu",
    tiers: [],
    ring: "stable",
    cordoned: false,
    capacity: defaultCellCapacity,
    used: emptyUse,
    labels: [],
    dedicatedTo: null,
    ...overrides,
  };
}

/** A cell in use to a share of its rate and of its tenants. */
export function usedTo(share: number) {
  return {
    requestsPerSecond: defaultCellCapacity.requestsPerSecond * share,
    storageBytes: 0,
    tenants: defaultCellCapacity.tenants * share,
  };
}

export const policyOf = (
  strategy: PlacementPolicy["strategy"],
  overrides: Partial<PlacementPolicy> = {},
): PlacementPolicy => ({
  ...defaultPolicy,
  strategy,
  ...overrides,
});
