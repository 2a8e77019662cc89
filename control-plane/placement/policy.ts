import type { Tier } from "../../common/contracts/fleet.ts";
import type { CapacityUnits } from "./capacity.ts";

/**
 * How a cell is chosen among those that satisfy every constraint.
 *   tenant      least dominant utilisation after placement; best fit for very large tenants
 *   hash        rendezvous hashing, weighted by capacity: a new cell moves only the tenants it wins
 *   geographic  nearest region to the tenant's home, then least utilisation
 *   random      any, by a seed; the same seed places the same tenant alike
 *   hybrid      the most wanted region of its residency (else its home), then least utilisation
 *   dedicated   a cell for it alone, the smallest that is large enough
 */
export const strategies = ["tenant", "hash", "geographic", "random", "hybrid", "dedicated"] as const;
export type Strategy = (typeof strategies)[number];

export interface PlacementPolicy {
  readonly strategy: Strategy;
  /** Share of each cell's capacity that placement leaves free, for failover and growth. 0 to 1. */
  readonly headroom: number;
  /** A tenant that needs this much of either is "very large" and takes the fullest cell that still fits it. */
  readonly veryLarge: Pick<CapacityUnits, "requestsPerSecond" | "storageBytes">;
  /** Region → all regions, nearest first. A region that is not listed counts as farthest. */
  readonly proximity: Readonly<Record<string, readonly string[]>>;
  /** For the random strategy. */
  readonly seed: string;
}

const mebibyte = 2 ** 20;
const gibibyte = 2 ** 30;

/** `veryLarge` is about half of what placement may use of `defaultCellCapacity`. */
export const defaultPolicy: PlacementPolicy = {
  strategy: "tenant",
  headroom: 0.2,
  veryLarge: { requestsPerSecond: 800, storageBytes: 200 * gibibyte },
  proximity: {},
  seed: "",
};

/**
 * What a tenant of a tier is taken to need until measurements say better. Far below its rate limit: limits bound the
 * worst moment of one tenant, capacity is shared by many that are not at their worst together.
 */
export const demandOfTier: Readonly<Record<Tier, CapacityUnits>> = {
  free: { requestsPerSecond: 1, storageBytes: 64 * mebibyte, tenants: 1 },
  pro: { requestsPerSecond: 10, storageBytes: gibibyte, tenants: 1 },
  enterprise: { requestsPerSecond: 50, storageBytes: 8 * gibibyte, tenants: 1 },
  // A cell's own probe; it takes no room from customers.
  synthetic: { requestsPerSecond: 0, storageBytes: 0, tenants: 0 },
};

/** What a cell of the local driver is taken to offer. */
export const defaultCellCapacity: CapacityUnits = {
  requestsPerSecond: 2_000,
  storageBytes: 512 * gibibyte,
  tenants: 2_000,
};
