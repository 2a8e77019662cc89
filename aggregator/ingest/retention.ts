import type { Clock } from "../../common/clock.ts";
import type { Logger } from "../../common/log.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { deleteOlderThan } from "./retention.store.ts";

const hourMs = 3_600_000;

export interface RetentionOptions {
  readonly pool: Pool;
  readonly clock: Clock;
  readonly days: number;
  readonly log: Logger;
}

/** The oldest bucket that is kept. */
export function oldestKept(nowMs: number, days: number): Date {
  return new Date(nowMs - days * 24 * hourMs);
}

/** Deletes old rollups now and every hour. A failed round is logged; the next one does its work. */
export function startRetention(options: RetentionOptions): { stop(): void } {
  const round = async (): Promise<void> => {
    try {
      const deleted = await deleteOlderThan(options.pool, oldestKept(options.clock.now(), options.days));
      if (deleted > 0) options.log.info({ event: "rollups-expired", deleted });
    } catch (error) {
      options.log.warn({ event: "retention-failed", err: error });
    }
  };
  const timer = setInterval(() => void round(), hourMs);
  void round();
  return { stop: () => clearInterval(timer) };
}
