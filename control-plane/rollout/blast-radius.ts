import type { BlastRadius } from "../../common/contracts/rollout-policy.ts";

/** Customers that were exposed to a release, and when: a wave's, when it began. Times in milliseconds. */
export interface Exposure {
  readonly at: number;
  readonly tenants: number;
}

const hourMs = 3_600_000;

/** Most customers within any hour; infinite without a budget. The smaller bound holds. */
export function mostExposed(budget: BlastRadius | undefined, customers: number): number {
  const { tenants = Infinity, percent = 100 } = budget ?? {};
  return Math.min(tenants, percent === 100 ? Infinity : Math.floor((percent / 100) * customers));
}

/**
 * When so many more customers may be exposed, if those of the last hour are counted in: now, or when enough of them are an hour ago. An exposure
 * larger than the whole budget may be begun when nothing else counts; planning refuses such waves, but cells gain tenants meanwhile.
 * @param timeScale shortens the hour as it does the bakes.
 */
export function exposableAt(
  now: number,
  tenants: number,
  past: readonly Exposure[],
  most: number,
  timeScale: number,
): number {
  const hour = hourMs * timeScale;
  let at = now;
  const counted = past.filter((exposure) => exposure.at + hour > now).toSorted((a, b) => a.at - b.at);
  let sum = counted.reduce((total, exposure) => total + exposure.tenants, 0);
  for (const exposure of counted) {
    if (sum + tenants <= most) break;
    sum -= exposure.tenants;
    at = Math.max(now, exposure.at + hour);
  }
  return at;
}
