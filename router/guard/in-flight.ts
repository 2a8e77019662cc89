/** Names whose count is nothing are forgotten when more than this many are known. */
const maxKnown = 20_000;

/**
 * Counts requests in flight by name (a tenant's id, a cell's id) and refuses beyond a cap. A name that is idle keeps its place for a while: taking
 * it out and putting it in again with each request would make the map outgrow its table again and again.
 */
export class InFlight<Name extends string> {
  readonly #counts = new Map<Name, { count: number }>();
  refused = 0;

  /** @returns whether there was room; then `leave` must follow exactly once. */
  enter(name: Name, cap: number): boolean {
    const known = this.#counts.get(name) ?? this.#know(name);
    if (known.count >= cap) {
      this.refused += 1;
      return false;
    }
    known.count += 1;
    return true;
  }

  leave(name: Name): void {
    const known = this.#counts.get(name);
    if (known !== undefined && known.count > 0) known.count -= 1;
  }

  of(name: Name): number {
    return this.#counts.get(name)?.count ?? 0;
  }

  #know(name: Name): { count: number } {
    if (this.#counts.size >= maxKnown)
      for (const [other, { count }] of this.#counts) if (count === 0) this.#counts.delete(other);
    const made = { count: 0 };
    this.#counts.set(name, made);
    return made;
  }
}
