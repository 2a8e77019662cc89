import type { Logger } from "../../../common/log.ts";
import type { Pool } from "../../../common/postgres/pool.ts";
import { markFullOutboxes, type OutboxBounds } from "./counts.store.ts";

/** An outbox may pass its bound by what comes in this time. Counting a full one takes some tens of milliseconds, so not more often. */
const countEveryMs = 2_000;

/** Notes whose outbox is full, so that additions are refused. Runs where jobs are added, so that a dead worker does not leave it unbounded. */
export class OutboxWatch {
  readonly #system: Pool;
  readonly #bounds: OutboxBounds;
  readonly #log: Logger;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  #full = 0;

  constructor(system: Pool, bounds: OutboxBounds, log: Logger) {
    this.#system = system;
    this.#bounds = bounds;
    this.#log = log;
  }

  start(): void {
    if (this.#stopped) return;
    this.#running = this.#count().finally(() => {
      if (!this.#stopped) this.#timer = setTimeout(() => this.start(), countEveryMs);
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  async #count(): Promise<void> {
    try {
      const full = await markFullOutboxes(this.#system, this.#bounds);
      if (full !== this.#full) this.#log.warn({ event: "outboxes-full", count: full });
      this.#full = full;
    } catch (error) {
      // With the database away nothing is added either.
      this.#log.debug({ event: "outbox-not-counted", err: error });
    }
  }
}
