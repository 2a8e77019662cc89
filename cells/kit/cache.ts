import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../../common/clock.ts";
import type { Redis } from "../../common/redis/client.ts";
import type { TenantId } from "../../common/ids.ts";

/**
 * A tenant's own cache, of plain JSON. It fails open: when Redis cannot answer at once, nothing is found and nothing is kept. A move empties it: the
 * epoch is part of every key.
 */
export interface TenantCache {
  /** The value kept under a key, undefined when there is none. */
  get(key: string): Promise<unknown>;
  /** Keeps a value for so many seconds, at most a day; one above 256 KiB is not kept. */
  set(key: string, value: unknown, ttlSeconds: number): Promise<void>;
  delete(key: string): Promise<void>;
  /**
   * The value kept under a key, else what `compute` gives, kept for next time. However many ask at once, this process computes it once; and shortly before
   * the value ends one of those who ask computes it anew while the others still have the old one, so that its end never brings a crowd. An error of
   * `compute` goes to all who wait for it and is not kept.
   */
  fetch<Value>(key: string, ttlSeconds: number, compute: () => Promise<Value>): Promise<Value>;
}

/** Nothing is cached for longer, so that a forgotten key does not live for ever. */
const longestTtlSeconds = 86_400;
const largestBytes = 262_144;
/** Nobody waits longer for a cache: it exists to be quick. */
const patienceMs = 50;
/** After so many answers that were too late in a row Redis is left alone for a moment, so that not every request pays the wait. */
const lateOnes = 3;
const restMs = 1_000;
/** How eagerly a value is computed anew before its end; 1 is what the paper below recommends. */
const eagerness = 1;

/** A value as `fetch` keeps it. */
interface Kept {
  readonly value: unknown;
  /** How long it took to compute, and when it ends: what decides whether it is computed anew already. */
  readonly ms: number;
  readonly endsAt: number;
}

/** What all tenants' caches in this process share: the connection, its patience, and what is being computed. */
export class CacheStore {
  readonly #redis: Redis;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #flights = new Map<string, Promise<unknown>>();
  #late = 0;
  #restsUntil = 0;

  constructor(redis: Redis, clock: Clock, random: () => number = Math.random) {
    this.#redis = redis;
    this.#clock = clock;
    this.#random = random;
  }

  /** The cache of one tenant at one epoch. */
  of(tenant: TenantId, epoch: number): TenantCache {
    const under = (key: string): string => `tenant:${tenant}:${epoch}:${key}`;
    return {
      get: (key) => this.#read(under(key)),
      set: (key, value, ttlSeconds) => this.#write(under(key), value, ttlSeconds),
      delete: async (key) => {
        await this.#ask((redis) => redis.del(under(key), `${under(key)}:f`));
      },
      fetch: (key, ttlSeconds, compute) => this.#fetch(`${under(key)}:f`, ttlSeconds, compute),
    };
  }

  async #fetch<Value>(key: string, ttlSeconds: number, compute: () => Promise<Value>): Promise<Value> {
    const kept = (await this.#read(key)) as Kept | undefined;
    if (kept !== undefined && !this.#isDue(kept)) return kept.value as Value;
    const flight = (this.#flights.get(key) as Promise<Value> | undefined) ?? this.#fly(key, ttlSeconds, compute);
    if (kept === undefined) return flight;
    // An early one is computed for the next who ask; whoever found it due has the value that is still good.
    flight.catch(() => undefined);
    return kept.value as Value;
  }

  /**
   * XFetch: each who reads decides by chance, the likelier the nearer the end and the dearer the value, so that one of many comes first
   * (Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede Prevention, PVLDB 8(8), 2015).
   */
  #isDue(kept: Kept): boolean {
    const ahead = -kept.ms * eagerness * Math.log(1 - this.#random());
    return this.#clock.now() + ahead >= kept.endsAt;
  }

  #fly<Value>(key: string, ttlSeconds: number, compute: () => Promise<Value>): Promise<Value> {
    const began = this.#clock.monotonic();
    const flight = (async () => {
      const value = await compute();
      const endsAt = this.#clock.now() + ttlOf(ttlSeconds) * 1_000;
      const kept: Kept = { value, ms: this.#clock.monotonic() - began, endsAt };
      await this.#write(key, kept, ttlSeconds);
      return value;
    })().finally(() => this.#flights.delete(key));
    this.#flights.set(key, flight);
    return flight;
  }

  async #read(key: string): Promise<unknown> {
    const text = await this.#ask((redis) => redis.get(key));
    return typeof text === "string" ? (JSON.parse(text) as unknown) : undefined;
  }

  async #write(key: string, value: unknown, ttlSeconds: number): Promise<void> {
    const text = JSON.stringify(value) as string | undefined;
    if (text === undefined || text.length > largestBytes) return;
    await this.#ask((redis) => redis.set(key, text, "EX", ttlOf(ttlSeconds)));
  }

  /** A cache that cannot answer in time is an empty cache; the connection itself logs its loss. */
  async #ask<Value>(command: (redis: Redis) => Promise<Value>): Promise<Value | undefined> {
    if (this.#clock.monotonic() < this.#restsUntil) return undefined;
    const late = new AbortController();
    try {
      const answer = await Promise.race([
        command(this.#redis),
        sleep(patienceMs, tooLate, { signal: late.signal, ref: false }),
      ]);
      if (answer !== tooLate) {
        this.#late = 0;
        return answer;
      }
      this.#late += 1;
      if (this.#late >= lateOnes) this.#restsUntil = this.#clock.monotonic() + restMs;
      return undefined;
    } catch {
      return undefined;
    } finally {
      late.abort();
    }
  }
}

const tooLate = Symbol("too late");

function ttlOf(seconds: number): number {
  return Math.max(1, Math.min(longestTtlSeconds, Math.ceil(seconds)));
}
