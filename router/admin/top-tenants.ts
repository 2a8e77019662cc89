/** For each tenant that is shown so many are counted: the more, the surer are the last of them. */
const countedPerShown = 4;

interface Count {
  requests: number;
  /** By how much the count may be too high. */
  error: number;
}

/**
 * The tenants with most requests, in bounded memory: Space-Saving (Metwally, Agrawal and El Abbadi, "Efficient Computation of Frequent and
 * Top-k Elements in Data Streams", 2005). A tenant that is not counted takes the place of the one counted least, and its count with it.
 */
export class TopTenants {
  readonly #shown: number;
  readonly #counts = new Map<string, Count>();

  /** @param shown how many; 0 counts nobody. */
  constructor(shown: number) {
    this.#shown = shown;
  }

  count(slug: string): void {
    if (this.#shown === 0) return;
    const known = this.#counts.get(slug);
    if (known !== undefined) {
      known.requests += 1;
      return;
    }
    if (this.#counts.size < this.#shown * countedPerShown) {
      this.#counts.set(slug, { requests: 1, error: 0 });
      return;
    }
    const [least, count] = this.#least();
    this.#counts.delete(least);
    this.#counts.set(slug, { requests: count.requests + 1, error: count.requests });
  }

  /** Most requests first, with the bound of what may be too much. */
  top(): { readonly slug: string; readonly requests: number; readonly error: number }[] {
    return [...this.#counts]
      .map(([slug, { requests, error }]) => ({ slug, requests, error }))
      .toSorted((a, b) => b.requests - a.requests)
      .slice(0, this.#shown);
  }

  #least(): [string, Count] {
    let least: [string, Count] | null = null;
    for (const entry of this.#counts) if (least === null || entry[1].requests < least[1].requests) least = entry;
    return least ?? ["", { requests: 0, error: 0 }];
  }
}
