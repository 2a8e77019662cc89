import type { Redis } from "../../common/redis/client.ts";
import type { TenantId } from "../../common/ids.ts";

/** A tenant's own cache. It fails open: when Redis cannot answer, nothing is found and nothing is kept. */
export interface TenantCache {
  /** The value kept under a key, undefined when there is none. */
  get(key: string): Promise<unknown>;
  /** Keeps a JSON value for so many seconds. */
  set(key: string, value: unknown, ttlSeconds: number): Promise<void>;
  delete(key: string): Promise<void>;
}

/** Nothing is cached for longer, so that a forgotten key does not live for ever. */
const longestTtlSeconds = 86_400;
const largestBytes = 262_144;

/** The cache of one tenant: every key lies under the tenant's id. */
export function tenantCache(redis: Redis, tenant: TenantId): TenantCache {
  const under = (key: string): string => `tenant:${tenant}:${key}`;
  return {
    async get(key) {
      const text = await open(redis.get(under(key)));
      return typeof text === "string" ? (JSON.parse(text) as unknown) : undefined;
    },
    async set(key, value, ttlSeconds) {
      const text = JSON.stringify(value);
      if (text.length > largestBytes) return;
      const ttl = Math.max(1, Math.min(longestTtlSeconds, Math.ceil(ttlSeconds)));
      await open(redis.set(under(key), text, "EX", ttl));
    },
    async delete(key) {
      await open(redis.del(under(key)));
    },
  };
}

/** A cache that cannot answer is an empty cache; the connection itself logs its loss. */
async function open<Value>(answer: Promise<Value>): Promise<Value | undefined> {
  try {
    return await answer;
  } catch {
    return undefined;
  }
}
