import type { Logger } from "../../../common/log.ts";
import type { Pool } from "../../../common/postgres/pool.ts";
import { isRefusal } from "../database-errors.ts";
import type { TenantDatabase } from "../tenant.store.ts";
import { forgetOldKeys, tenantsWithOldKeys } from "./keys.store.ts";

export interface KeySweeperOptions {
  readonly system: Pool;
  readonly database: TenantDatabase;
  /** Whether this process is the cell's single worker now. */
  readonly isSingle: () => boolean;
  readonly log: Logger;
}

/** A key lives a day; a minute more or less is nothing to anybody. */
const sweepEveryMs = 60_000;
/** How soon a worker that has become the single one begins. */
const askEveryMs = 2_000;
const tenantsAtOnce = 100;
/** Rows per transaction, so that none comes near its time-out, and transactions per tenant and tick: 20,000 keys a minute. */
const batch = 2_000;
const batchesAtOnce = 10;

/** Forgets idempotency keys after a day, each tenant's in its own transactions: a tenant that is being moved is left alone. */
export class KeySweeper {
  readonly #options: KeySweeperOptions;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: KeySweeperOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#stopped) return;
    const pauseMs = this.#options.isSingle() ? sweepEveryMs : askEveryMs;
    this.#running = this.#tick().finally(() => {
      if (!this.#stopped) this.#timer = setTimeout(() => this.start(), pauseMs);
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  async #tick(): Promise<void> {
    const { isSingle, system, log } = this.#options;
    try {
      if (!isSingle()) return;
      for (const tenant of await tenantsWithOldKeys(system, tenantsAtOnce)) await this.#sweep(tenant);
    } catch (error) {
      log.warn({ event: "key-sweep-failed", err: error });
    }
  }

  async #sweep(tenant: Parameters<TenantDatabase["run"]>[0]["tenant"]): Promise<void> {
    for (let round = 0; round < batchesAtOnce && !this.#stopped && this.#options.isSingle(); round++) {
      try {
        const forgotten = await this.#options.database.run({ tenant, epoch: null }, "write", (tx) =>
          forgetOldKeys(tx, batch),
        );
        if (forgotten < batch) return;
      } catch (error) {
        if (!isRefusal(error)) throw error;
        return;
      }
    }
  }
}
