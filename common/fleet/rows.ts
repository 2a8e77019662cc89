/** Kinds of rows in the fleet document, by the first part of their names. */
export type RowKind = "tenant" | "key" | "cell" | "part" | "settings";

/** Where a document keeps its rows. A row's name is `<kind>/<id>`; its value is JSON, and is never changed in place. */
export interface RowStore {
  readonly size: number;
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  delete(name: string): void;
  /** The values of all rows of a kind. */
  ofKind(kind: RowKind): Iterable<unknown>;
}

/** Rows as they came: fast to make, and a kilobyte a tenant. */
export class MapRows implements RowStore {
  readonly #rows = new Map<string, unknown>();

  get size(): number {
    return this.#rows.size;
  }
  get(name: string): unknown {
    return this.#rows.get(name);
  }
  set(name: string, value: unknown): void {
    this.#rows.set(name, value);
  }
  delete(name: string): void {
    this.#rows.delete(name);
  }
  *ofKind(kind: RowKind): Generator<unknown> {
    const prefix = `${kind}/`;
    for (const [name, value] of this.#rows) if (name.startsWith(prefix)) yield value;
  }
  entries(): IterableIterator<[string, unknown]> {
    return this.#rows.entries();
  }
}
