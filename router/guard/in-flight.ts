/** Names whose count is nothing are forgotten when more than this many are known. */
const maxKnown = 100_000;

/** How many requests of one name are in flight. Belongs to `InFlight`. */
export interface Load {
  count: number;
}

/**
 * Counts requests in flight by name (a tenant's id, a cell's id) and refuses beyond a cap. A name that is idle keeps its place for a while: taking
 * it out and putting it in again with each request would make the map outgrow its table again and again.
 */
export class InFlight<Name extends string> {
  readonly #loads = new Map<Name, Load>();
  refused = 0;

  /** The count of a name, to be kept by who asks often. */
  load(name: Name): Load {
    return this.#loads.get(name) ?? this.#know(name);
  }

  /** @returns whether there was room; then `leave` must follow exactly once. */
  enter(load: Load, cap: number): boolean {
    if (load.count >= cap) {
      this.refused += 1;
      return false;
    }
    load.count += 1;
    return true;
  }

  leave(load: Load): void {
    load.count -= 1;
  }

  of(name: Name): number {
    return this.#loads.get(name)?.count ?? 0;
  }

  #know(name: Name): Load {
    if (this.#loads.size >= maxKnown)
      for (const [other, { count }] of this.#loads) if (count === 0) this.#loads.delete(other);
    const made = { count: 0 };
    this.#loads.set(name, made);
    return made;
  }
}
