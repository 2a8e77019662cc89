import type { Clock } from "../../common/clock.ts";
import type { TenantId } from "../../common/ids.ts";

/** Tenants whose buckets are kept; the oldest goes first, and comes back full, which errs on the tenant's side. */
const maxBuckets = 100_000;

/** What is left of a tenant's rate. Belongs to `RateLimits`. */
export interface Bucket {
  tokens: number;
  filledAt: number;
}

/**
 * A token bucket per tenant: it holds one second's worth of requests and fills at the tenant's rate.
 * A router's share is the limit over the routers that the document names.
 */
export class RateLimits {
  readonly #clock: Clock;
  readonly #buckets = new Map<TenantId, Bucket>();
  refused = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes one token of a tenant's. @param now monotonic milliseconds. @returns 0 when there was one, else the seconds until there is. */
  take(bucket: Bucket, requestsPerSecond: number, routers: number, now: number): number {
    const rate = requestsPerSecond / routers;
    const size = Math.max(1, rate);
    bucket.tokens = Math.min(size, bucket.tokens + ((now - bucket.filledAt) * rate) / 1000);
    bucket.filledAt = now;
    if (bucket.tokens >= 1) {
      bucket.tokens -= 1;
      return 0;
    }
    this.refused += 1;
    return (1 - bucket.tokens) / rate;
  }

  /** The bucket of a tenant, to be kept by who asks often. A new one is full. */
  bucketOf(tenant: TenantId): Bucket {
    const known = this.#buckets.get(tenant);
    if (known !== undefined) return known;
    if (this.#buckets.size >= maxBuckets) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    const made = { tokens: Number.POSITIVE_INFINITY, filledAt: this.#clock.monotonic() };
    this.#buckets.set(tenant, made);
    return made;
  }
}

/** The fields that explain a refusal (draft-ietf-httpapi-ratelimit-headers-10): the policy, and what is left of it. */
export function rateFields(requestsPerSecond: number, waitSeconds: number): string[] {
  return [
    "RateLimit-Policy",
    `"tenant";q=${requestsPerSecond};w=1`,
    "RateLimit",
    `"tenant";r=0;t=${Math.max(1, Math.ceil(waitSeconds))}`,
  ];
}
