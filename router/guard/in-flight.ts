/** Counts requests in flight by name (a tenant's id, a cell's id) and refuses beyond a cap. Idle names take no memory. */
export class InFlight<Name extends string> {
  readonly #counts = new Map<Name, number>();
  refused = 0;

  /** @returns whether there was room; then `leave` must follow exactly once. */
  enter(name: Name, cap: number): boolean {
    const count = this.#counts.get(name) ?? 0;
    if (count >= cap) {
      this.refused += 1;
      return false;
    }
    this.#counts.set(name, count + 1);
    return true;
  }

  leave(name: Name): void {
    const count = (this.#counts.get(name) ?? 0) - 1;
    if (count <= 0) this.#counts.delete(name);
    else this.#counts.set(name, count);
  }

  of(name: Name): number {
    return this.#counts.get(name) ?? 0;
  }
}
