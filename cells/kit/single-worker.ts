import type { Logger } from "../../common/log.ts";
import type { CellState } from "./cell-state.ts";
import { dropSingleton, tryHoldSingleton } from "./cell.store.ts";
import type { PostgresEvents } from "./postgres-events.ts";

// Whether this process is the cell's single worker: scheduler, cleaner and shipper.
//   apart   another holds the lock, or the slot is not live   → single (lock taken)
//   single  holds the database's lock                         → apart (slot switched away, connection lost)
// The lock lives with its connection, so that a dead worker's lock is free at once.
const tryEveryMs = 1_000;

export class SingleWorker {
  readonly #events: PostgresEvents;
  readonly #state: CellState;
  readonly #log: Logger;
  #holder: unknown = null;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(events: PostgresEvents, state: CellState, log: Logger) {
    this.#events = events;
    this.#state = state;
    this.#log = log;
  }

  /** True while this process holds the lock on a living connection, its slot is live and the database is its cell's own life. */
  get held(): boolean {
    return this.#holder !== null && this.#holder === this.#events.client && this.#may();
  }

  start(): void {
    if (this.#stopped) return;
    this.#running = this.#tick().finally(() => {
      if (!this.#stopped) this.#timer = setTimeout(() => this.start(), tryEveryMs);
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  #may(): boolean {
    return this.#state.phase === "live" && this.#state.confirmed;
  }

  async #tick(): Promise<void> {
    const { client } = this.#events;
    if (client === null) return;
    try {
      if (!this.#may()) {
        if (this.#holder === client) await dropSingleton(client);
        this.#holder = null;
      } else if (this.#holder !== client && (await tryHoldSingleton(client))) {
        this.#holder = client;
        this.#log.info({ event: "single-worker" });
      }
    } catch (error) {
      this.#holder = null;
      this.#log.debug({ event: "singleton-not-asked", err: error });
    }
  }
}
