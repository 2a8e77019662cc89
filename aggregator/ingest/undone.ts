import type { Clock } from "../../common/clock.ts";
import type { CellId } from "../../common/ids.ts";
import type { Logger } from "../../common/log.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import type { Fleet } from "../fleet.ts";
import { deleteUndone, type PlacedTenant } from "./undone.store.ts";

/** Restores are rare, and a minute is soon enough for what they have undone. */
const lookEveryMs = 60_000;

export interface UndoneOptions {
  readonly pool: Pool;
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Forgets what a restore has undone, when a cell says that it has sent all that it holds. */
export class UndonePast {
  readonly #options: UndoneOptions;
  readonly #lookedAt = new Map<CellId, number>();

  constructor(options: UndoneOptions) {
    this.#options = options;
  }

  /** @param since the beginning of the hours of which the cell has sent all; null where it does not say so */
  async forget(cell: CellId, since: Date | null): Promise<void> {
    const { pool, clock, log } = this.#options;
    const now = clock.monotonic();
    if (since === null || now - (this.#lookedAt.get(cell) ?? Number.NEGATIVE_INFINITY) < lookEveryMs) return;
    this.#lookedAt.set(cell, now);
    const deleted = await deleteUndone(pool, cell, since, this.#placed(cell));
    if (deleted > 0) log.info({ event: "undone-rollups-deleted", cell, deleted });
  }

  #placed(cell: CellId): PlacedTenant[] {
    const { fleet } = this.#options;
    return fleet.tenantsOf(new Set([cell])).flatMap((tenant) => {
      const row = fleet.tenant(tenant);
      return row === undefined ? [] : [{ tenant, epoch: row.epoch }];
    });
  }
}
