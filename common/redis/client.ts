import { Redis } from "ioredis";
import type { Logger } from "../log.ts";

export type { Redis };

export interface RedisOptions {
  readonly url: string;
  /** Name shown in CLIENT LIST. */
  readonly application: string;
  /**
   * `cache`: a command that cannot be answered at once fails, because whoever asks goes on without.
   * `queue`: commands wait for the connection without end, as blocking consumers need it.
   */
  readonly use: "cache" | "queue";
  readonly log: Logger;
}

/** Longer than any healthy answer, shorter than a tenant notices. */
const cacheTimeoutMs = 100;
const reconnectLastMs = 1_000;
/** One line of log per outage, not one per reconnect. */
const quietMs = 10_000;

/** A connection to Redis that reconnects for ever; its loss is logged, never thrown. */
export function createRedis(options: RedisOptions): Redis {
  const client = new Redis(options.url, {
    connectionName: options.application,
    connectTimeout: 1_000,
    retryStrategy: (tries) => Math.min(reconnectLastMs, 50 * 2 ** Math.min(tries, 6)) * (0.5 + Math.random() / 2),
    ...(options.use === "cache"
      ? {
          enableOfflineQueue: false,
          maxRetriesPerRequest: 0,
          commandTimeout: cacheTimeoutMs,
          autoResendUnfulfilledCommands: false,
        }
      : { maxRetriesPerRequest: null }),
  });
  let toldAt = Number.NEGATIVE_INFINITY;
  client.on("error", (error: Error) => {
    if (performance.now() - toldAt < quietMs) return;
    toldAt = performance.now();
    options.log.warn({ event: "redis-lost", connection: options.application, err: error });
  });
  return client;
}
