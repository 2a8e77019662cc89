import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "../common/log.ts";
import type { Pool } from "../common/postgres/pool.ts";
import { migrate } from "./migrations.store.ts";

const firstDelayMs = 200;
const lastDelayMs = 5_000;

/** Migrates the database, waiting for one that is not there yet for as long as it takes: until then requests answer 503 by themselves. */
export async function migrateWhenReachable(pool: Pool, log: Logger, stop: AbortSignal): Promise<void> {
  for (let delayMs = firstDelayMs; !stop.aborted; delayMs = Math.min(lastDelayMs, delayMs * 2)) {
    try {
      const ran = await migrate(pool);
      log.info({ event: "migrated", ran });
      return;
    } catch (error) {
      log.warn({ event: "migration-waits", err: error, delayMs });
    }
    await sleep(delayMs, undefined, { signal: stop }).catch(() => undefined);
  }
}
