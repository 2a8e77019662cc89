import type { TenantId } from "../../common/ids.ts";
import { cellError } from "./errors.ts";

/**
 * Requests of one tenant that may wait for a connection, for each that it may hold. A wait is some milliseconds long as a rule, so that this is what a
 * burst needs; a tenant that keeps more waiting offers more than its share.
 */
const waitingPerHeld = 20;
/**
 * Longer than a migration that waits for its lock may hold up a table's users (2 s), so that a deploy costs nobody an error, and short of the time after which
 * clients give up.
 */
const longestWaitMs = 3_500;

interface Waiter {
  readonly admit: () => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * Shares the database connections of a process among tenants: one holds half of them at most, and those who wait take turns by tenant, not by
 * arrival, so that a tenant that floods its cell queues behind itself. What does not fit into its queue is refused, to that tenant alone.
 */
export class FairShare {
  readonly #slots: number;
  readonly #mostHeld: number;
  readonly #held = new Map<TenantId, number>();
  /** In the order of turns: who was admitted goes to the end. */
  readonly #waiting = new Map<TenantId, Waiter[]>();
  #taken = 0;

  /** @param slots connections of the process. */
  constructor(slots: number) {
    this.#slots = slots;
    this.#mostHeld = Math.max(1, Math.ceil(slots / 2));
  }

  /**
   * Waits for a turn; `leave` must follow exactly once.
   * @throws too-many-at-once where the tenant has too many waiting or waits behind itself for too long, cell-unavailable where others hold all.
   */
  async enter(tenant: TenantId): Promise<void> {
    if (this.#fits(tenant)) return this.#take(tenant);
    const queue = this.#waiting.get(tenant) ?? [];
    const most = this.#mostHeld * waitingPerHeld;
    if (queue.length >= most) {
      throw cellError("too-many-at-once", `${most} requests of this tenant wait for the database already.`, {
        extra: { retryAfterSeconds: 1 },
      });
    }
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#forget(tenant, waiter);
        reject(this.#unserved(tenant));
      }, longestWaitMs);
      const waiter = { admit: resolve, timer };
      queue.push(waiter);
      this.#waiting.set(tenant, queue);
    });
  }

  /** Gives the turn to whoever is next. */
  leave(tenant: TenantId): void {
    const held = (this.#held.get(tenant) ?? 0) - 1;
    if (held > 0) this.#held.set(tenant, held);
    else this.#held.delete(tenant);
    this.#taken -= 1;
    for (const [next, queue] of this.#waiting) {
      if (!this.#fits(next)) continue;
      const [waiter] = queue;
      if (waiter === undefined) continue;
      this.#forget(next, waiter);
      // Others first before its next turn.
      if (this.#waiting.delete(next)) this.#waiting.set(next, queue);
      clearTimeout(waiter.timer);
      this.#take(next);
      waiter.admit();
      return;
    }
  }

  /** Whoever holds a whole share waited behind itself. */
  #unserved(tenant: TenantId): Error {
    const extra = { retryAfterSeconds: 1 };
    return (this.#held.get(tenant) ?? 0) < this.#mostHeld
      ? cellError("cell-unavailable", "No database connection came free.", { extra })
      : cellError("too-many-at-once", "This tenant's share of the database is in use.", { extra });
  }

  #fits(tenant: TenantId): boolean {
    return this.#taken < this.#slots && (this.#held.get(tenant) ?? 0) < this.#mostHeld;
  }

  #take(tenant: TenantId): void {
    this.#taken += 1;
    this.#held.set(tenant, (this.#held.get(tenant) ?? 0) + 1);
  }

  #forget(tenant: TenantId, waiter: Waiter): void {
    const queue = this.#waiting.get(tenant);
    queue?.splice(queue.indexOf(waiter), 1);
    if (queue?.length === 0) this.#waiting.delete(tenant);
  }
}
