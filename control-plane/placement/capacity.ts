/** What a cell has and a tenant needs, each in its own unit. A cell is full when any one of them is. */
export const dimensions = ["requestsPerSecond", "storageBytes", "tenants"] as const;
export type Dimension = (typeof dimensions)[number];
export type CapacityUnits = Readonly<Record<Dimension, number>>;

/**
 * The largest share of usable capacity in use over all dimensions (dominant share, as in Ghodsi et al., "Dominant
 * Resource Fairness", NSDI 2011), once `demand` is added. Above 1 it does not fit.
 * @param headroom share of the capacity that placement leaves free, 0 to 1.
 */
export function dominantUtilisation(
  capacity: CapacityUnits,
  used: CapacityUnits,
  demand: CapacityUnits,
  headroom: number,
): number {
  // Written out: this is the inner loop of placing a million tenants.
  const usable = 1 - headroom;
  const rate = share(used.requestsPerSecond + demand.requestsPerSecond, capacity.requestsPerSecond * usable);
  const storage = share(used.storageBytes + demand.storageBytes, capacity.storageBytes * usable);
  const tenants = share(used.tenants + demand.tenants, capacity.tenants * usable);
  const larger = rate > storage ? rate : storage;
  return larger > tenants ? larger : tenants;
}

/** Which dimension is the dominant one, for an explanation. */
export function dominantDimension(
  capacity: CapacityUnits,
  used: CapacityUnits,
  demand: CapacityUnits,
  headroom: number,
): Dimension {
  const utilisation = dominantUtilisation(capacity, used, demand, headroom);
  const isDominant = (dimension: Dimension): boolean =>
    share(used[dimension] + demand[dimension], capacity[dimension] * (1 - headroom)) === utilisation;
  return dimensions.find(isDominant) ?? "tenants";
}

export function add(a: CapacityUnits, b: CapacityUnits): CapacityUnits {
  return {
    requestsPerSecond: a.requestsPerSecond + b.requestsPerSecond,
    storageBytes: a.storageBytes + b.storageBytes,
    tenants: a.tenants + b.tenants,
  };
}

function share(wanted: number, usable: number): number {
  if (wanted === 0) return 0;
  return usable > 0 ? wanted / usable : Infinity;
}
