import type { Slot } from "../../common/contracts/lease.ts";
import type { CellId } from "../../common/ids.ts";
import type { Breaker, Breakers } from "../guard/breaker.ts";
import type { InFlight, Load } from "../guard/in-flight.ts";
import type { RetryBudget, RetryBudgets } from "../guard/retry-budget.ts";
import type { Pool, Pools } from "./pools.ts";

/** All that stands between the router and one cell, so that a request finds it with one look-up. */
export class Way {
  readonly breaker: Breaker;
  readonly budget: RetryBudget;
  readonly load: Load;
  readonly #pools: Pools;
  readonly #last: Record<Slot, Pool | null> = { a: null, b: null };

  constructor(breaker: Breaker, budget: RetryBudget, load: Load, pools: Pools) {
    this.breaker = breaker;
    this.budget = budget;
    this.load = load;
    this.#pools = pools;
  }

  /** The connections to a slot. @param url its address as the document or a release record gives it. */
  pool(slot: Slot, url: string): Pool {
    const last = this.#last[slot];
    if (last !== null && last.url === url && !last.retired) return last;
    const pool = this.#pools.of(url);
    this.#last[slot] = pool;
    return pool;
  }
}

/** The ways to all cells. */
export class Ways {
  readonly #breakers: Breakers;
  readonly #budgets: RetryBudgets;
  readonly #inFlight: InFlight<CellId>;
  readonly #pools: Pools;
  readonly #byCell = new Map<CellId, Way>();

  constructor(breakers: Breakers, budgets: RetryBudgets, inFlight: InFlight<CellId>, pools: Pools) {
    this.#breakers = breakers;
    this.#budgets = budgets;
    this.#inFlight = inFlight;
    this.#pools = pools;
  }

  to(cell: CellId): Way {
    let way = this.#byCell.get(cell);
    if (way === undefined) {
      way = new Way(this.#breakers.of(cell), this.#budgets.of(cell), this.#inFlight.load(cell), this.#pools);
      this.#byCell.set(cell, way);
    }
    return way;
  }

  /** The cell is gone: what was learned of it too. */
  forget(cell: CellId): void {
    this.#byCell.delete(cell);
    this.#breakers.forget(cell);
    this.#budgets.forget(cell);
  }
}
