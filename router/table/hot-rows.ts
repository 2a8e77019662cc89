/** Rows kept made: tenants and keys that are asked for most; some 500 bytes each. */
const most = 16_384;

/**
 * Rows by slot, made of their records when they are first asked for and kept while they are in use, so that a request of a tenant that is
 * known to be busy allocates nothing. Two generations: when the young one is full it becomes the old one, and what is not asked for again is gone
 * with it.
 */
export class HotRows<Row> {
  #young = new Map<number, Row>();
  #old = new Map<number, Row>();

  get(slot: number): Row | undefined {
    const row = this.#young.get(slot);
    if (row !== undefined) return row;
    const older = this.#old.get(slot);
    if (older !== undefined) this.put(slot, older);
    return older;
  }

  put(slot: number, row: Row): void {
    if (this.#young.size >= most / 2) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(slot, row);
  }

  forget(slot: number): void {
    this.#young.delete(slot);
    this.#old.delete(slot);
  }

  clear(): void {
    this.#young = new Map();
    this.#old = new Map();
  }
}
