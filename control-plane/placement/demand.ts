import type { Tier } from "../../common/contracts/fleet.ts";
import type { CellId, TenantId } from "../../common/ids.ts";
import type { CapacityUnits } from "./capacity.ts";

/** A tenant as placement sees it. */
export interface TenantDemand {
  readonly tenant: TenantId;
  readonly tier: Tier;
  readonly demand: CapacityUnits;
  /** Regions its data may lie in, most wanted first; empty: anywhere. A constraint. */
  readonly residency: readonly string[];
  /** Where its users are, for the geographic strategy. A preference. Null: unknown. */
  readonly home: string | null;
  /** Release ring it must be in; null: any. */
  readonly ring: string | null;
  /** Labels of which no cell may hold two tenants, e.g. two replicas of one customer. */
  readonly antiAffinity: readonly string[];
}

/** A cell as placement sees it. `used` includes what is reserved for tenants on their way. */
export interface CellSupply {
  readonly cell: CellId;
  readonly region: string;
  /** Tiers it takes; empty: every tier. */
  readonly tiers: readonly Tier[];
  readonly ring: string;
  readonly cordoned: boolean;
  readonly capacity: CapacityUnits;
  readonly used: CapacityUnits;
  /** Anti-affinity labels of the tenants it holds. */
  readonly labels: readonly string[];
  /** The one tenant it is reserved for; null: shared. */
  readonly dedicatedTo: TenantId | null;
}
