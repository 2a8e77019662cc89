import { setTimeout as sleep } from "node:timers/promises";
import { systemClock, type Clock } from "../../common/clock.ts";
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

/**
 * How long a refusal is held back, and how many are. Who floods asks again as soon as it is refused, and to read and refuse ten thousand requests a second
 * takes the whole process; held back, each connection gets about one refusal a second. Each is held for a time of its own, or those that were refused together
 * would come back together, and the process would have them all to read at once, second after second. Beyond this many they are told at once.
 */
const refusalHeldMs = { from: 500, to: 1_500 };
const mostRefusalsHeld = 1_000;
/** Another tenant was here a moment ago: then one holds a fifth, else half. */
const companyMs = 1_000;

interface Parts {
  readonly alone: number;
  readonly inCompany: number;
}
const requestParts: Parts = { alone: 1 / 2, inCompany: 1 / 5 };
/** Jobs have had their turns when they begin (docs/decisions/0016): one that waited for a connection would hold a place of the worker meanwhile. */
export const jobParts: Parts = { alone: 1, inCompany: 1 };

interface Waiter {
  readonly admit: () => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * Shares the database connections of a process among tenants: one holds half of them at most, a fifth while others want some too, and those who wait
 * take turns by tenant, not by arrival, so that a tenant that floods its cell queues behind itself. What does not fit into its queue is refused, to that
 * tenant alone, and not at once.
 */
export class FairShare {
  readonly #slots: number;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #mostAlone: number;
  readonly #mostInCompany: number;
  readonly #held = new Map<TenantId, number>();
  /** In the order of turns: who was admitted goes to the end. */
  readonly #waiting = new Map<TenantId, Waiter[]>();
  /** Until shares grow, while somebody waits. */
  #growth: NodeJS.Timeout | undefined;
  #taken = 0;
  #refusalsHeld = 0;
  /** Who was admitted last, and when last somebody else than before was. */
  #last: TenantId | undefined;
  #changedAt = Number.NEGATIVE_INFINITY;

  /**
   * @param slots connections of the process.
   * @param parts of them that one tenant may hold, by itself and in company.
   */
  constructor(slots: number, parts: Parts = requestParts, clock: Pick<Clock, "monotonic"> = systemClock) {
    this.#slots = slots;
    this.#clock = clock;
    this.#mostAlone = Math.max(1, Math.ceil(slots * parts.alone));
    this.#mostInCompany = Math.max(1, Math.ceil(slots * parts.inCompany));
  }

  /**
   * Waits for a turn; `leave` must follow exactly once.
   * @throws too-many-at-once where the tenant has too many waiting or waits behind itself for too long, cell-unavailable where others hold all.
   */
  async enter(tenant: TenantId): Promise<void> {
    if (!this.#waiting.has(tenant) && this.#fits(tenant)) return this.#take(tenant);
    const queue = this.#waiting.get(tenant) ?? [];
    const most = this.#mostWaiting;
    if (queue.length >= most) {
      await this.#holdRefusal();
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
      // Its share may have grown since it began to wait: the others have gone.
      this.#admit();
    });
  }

  /** Gives the turn to whoever is next. */
  leave(tenant: TenantId): void {
    const held = (this.#held.get(tenant) ?? 0) - 1;
    if (held > 0) this.#held.set(tenant, held);
    else this.#held.delete(tenant);
    this.#taken -= 1;
    this.#admit();
  }

  /** Lets in all that fit now, by turns: as many as there are connections at most. */
  #admit(): void {
    for (const [next, queue] of this.#waiting) {
      const [waiter] = queue;
      if (waiter === undefined || !this.#fits(next)) continue;
      this.#forget(next, waiter);
      // Others first before its next turn; a Map's iteration comes to it there again.
      if (this.#waiting.delete(next)) this.#waiting.set(next, queue);
      clearTimeout(waiter.timer);
      this.#take(next);
      waiter.admit();
    }
    this.#admitWhenAlone();
  }

  /** Shares grow when the others have gone, and nobody need come or leave at that moment. */
  #admitWhenAlone(): void {
    if (this.#growth !== undefined || this.#waiting.size === 0) return;
    const companyLeftMs = this.#changedAt + companyMs - this.#clock.monotonic();
    if (companyLeftMs <= 0) return;
    this.#growth = setTimeout(() => {
      this.#growth = undefined;
      this.#admit();
    }, Math.ceil(companyLeftMs));
  }

  async #holdRefusal(): Promise<void> {
    if (this.#refusalsHeld >= mostRefusalsHeld) return;
    this.#refusalsHeld += 1;
    const { from, to } = refusalHeldMs;
    await sleep(from + Math.random() * (to - from), undefined, { ref: false });
    this.#refusalsHeld -= 1;
  }

  /** Requests of one tenant that may wait. */
  get #mostWaiting(): number {
    return this.#mostAlone * waitingPerHeld;
  }

  /** Connections that the tenant may hold now. Whose queue is half full floods: it holds half as many, and the process has time for the others. */
  #mostHeldBy(tenant: TenantId): number {
    if (this.#clock.monotonic() - this.#changedAt >= companyMs) return this.#mostAlone;
    const floods = (this.#waiting.get(tenant)?.length ?? 0) > this.#mostWaiting / 2;
    return floods ? Math.ceil(this.#mostInCompany / 2) : this.#mostInCompany;
  }

  /** Whoever holds a whole share waited behind itself. */
  #unserved(tenant: TenantId): Error {
    const extra = { retryAfterSeconds: 1 };
    return (this.#held.get(tenant) ?? 0) < this.#mostHeldBy(tenant)
      ? cellError("cell-unavailable", "No database connection came free.", { extra })
      : cellError("too-many-at-once", "This tenant's share of the database is in use.", { extra });
  }

  #fits(tenant: TenantId): boolean {
    return this.#taken < this.#slots && (this.#held.get(tenant) ?? 0) < this.#mostHeldBy(tenant);
  }

  #take(tenant: TenantId): void {
    if (this.#last !== tenant) {
      if (this.#last !== undefined) this.#changedAt = this.#clock.monotonic();
      this.#last = tenant;
    }
    this.#taken += 1;
    this.#held.set(tenant, (this.#held.get(tenant) ?? 0) + 1);
  }

  #forget(tenant: TenantId, waiter: Waiter): void {
    const queue = this.#waiting.get(tenant);
    queue?.splice(queue.indexOf(waiter), 1);
    if (queue?.length === 0) this.#waiting.delete(tenant);
  }
}
