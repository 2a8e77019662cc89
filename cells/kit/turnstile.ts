import type { TenantId } from "../../common/ids.ts";

/**
 * Requests that begin their work in one turn of the event loop. Each costs some 0.1 ms before it waits for the database, so that nobody who has come in
 * meanwhile waits much longer than half a millisecond to be read.
 */
const perTurn = 4;

/**
 * Lets requests begin their work a few at a time, by turns of tenants and not by arrival. A process reads all that has come before it does anything else, and
 * fifty requests of one tenant would stand before the one of another. Nothing is refused here, and who comes alone goes through at once.
 */
export class Turnstile {
  /** In the order of turns: who was let in goes to the end. */
  readonly #waiting = new Map<TenantId, (() => void)[]>();
  #let = 0;
  #turnEnds = false;

  /** @returns a promise of the request's turn; undefined where it is at once. */
  enter(tenant: TenantId): Promise<void> | undefined {
    this.#endTurn();
    if (this.#let < perTurn && this.#waiting.size === 0) {
      this.#let += 1;
      return undefined;
    }
    return new Promise((resolve) => {
      const queue = this.#waiting.get(tenant);
      if (queue === undefined) this.#waiting.set(tenant, [resolve]);
      else queue.push(resolve);
    });
  }

  /** After this turn of the event loop, in which whatever came is read, the next may begin. */
  #endTurn(): void {
    if (this.#turnEnds) return;
    this.#turnEnds = true;
    setImmediate(() => {
      this.#turnEnds = false;
      this.#let = 0;
      this.#admit();
      if (this.#waiting.size > 0) this.#endTurn();
    });
  }

  #admit(): void {
    for (const [tenant, queue] of this.#waiting) {
      if (this.#let >= perTurn) return;
      this.#let += 1;
      queue.shift()?.();
      // A Map's iteration comes to what is put at its end: the next tenants first, then this one again.
      this.#waiting.delete(tenant);
      if (queue.length > 0) this.#waiting.set(tenant, queue);
    }
  }
}
