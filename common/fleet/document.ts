import { createHash } from "node:crypto";
import { canonicalJson } from "../canonical.ts";
import type { Generation } from "../contracts/fleet.ts";
import { MapRows, type RowKind, type RowStore } from "./rows.ts";

const modulus = 1n << 256n;

/**
 * Hash of one row of the fleet document: SHA-256 of its name and value in canonical JSON, as a number.
 * Rows' hashes add up modulo 2^256 to the document's (an incremental hash by addition, AdHash: Bellare and Micciancio, "A New Paradigm for
 * Collision-Free Hashing", 1997), so that a change of one row costs the same whatever the document's size. Against an attacker it is the
 * signature that protects, not this sum.
 */
export function rowHash(name: string, value: unknown): bigint {
  return BigInt(
    `0x${createHash("sha256")
      .update(canonicalJson([name, value]))
      .digest("hex")}`,
  );
}

export function addHash(sum: bigint, hash: bigint): bigint {
  return (sum + hash) % modulus;
}

export function subtractHash(sum: bigint, hash: bigint): bigint {
  return (sum - hash + modulus) % modulus;
}

/** 64 hex digits, as it stands in snapshots, deltas and checks. */
export function hashToText(hash: bigint): string {
  return hash.toString(16).padStart(64, "0");
}

export function hashFromText(text: string): bigint {
  return BigInt(`0x${text}`);
}

/** Negative when `a` is older, zero when equal: the term counts first. */
export function compareGenerations(a: Generation, b: Generation): number {
  return a.term === b.term ? a.n - b.n : a.term - b.term;
}

/** A row's value before and after a change; undefined where there was or is none. */
export interface RowChange {
  readonly name: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** The rows of the fleet document at one generation, with the running hash. Applying changes is all or nothing. */
export class FleetDocument<Rows extends RowStore = RowStore> {
  #rows: Rows;
  #generation: Generation;
  #hash: bigint;

  private constructor(rows: Rows, generation: Generation, hash: bigint) {
    this.#rows = rows;
    this.#generation = generation;
    this.#hash = hash;
  }

  /** Builds the document from all its rows. */
  static of(rows: Readonly<Record<string, unknown>>, generation: Generation): FleetDocument<MapRows> {
    return FleetDocument.into(new MapRows(), rows, generation);
  }

  /** Builds the document in a store that is empty. */
  static into<Rows extends RowStore>(
    store: Rows,
    rows: Readonly<Record<string, unknown>>,
    generation: Generation,
  ): FleetDocument<Rows> {
    const builder = FleetDocument.builder(store);
    for (const name in rows) builder.add(name, rows[name]);
    return builder.document(generation);
  }

  /** Builds the document row by row. A name must not come twice. */
  static builder<Rows extends RowStore>(
    store: Rows,
  ): { add(name: string, value: unknown): void; document(generation: Generation): FleetDocument<Rows> } {
    let hash = 0n;
    return {
      add(name, value) {
        store.set(name, value);
        hash = addHash(hash, rowHash(name, value));
      },
      document: (generation) => new FleetDocument(store, generation, hash),
    };
  }

  /** A document whose rows are known to add up to the hash: what a part has sealed for itself. */
  static restored<Rows extends RowStore>(store: Rows, generation: Generation, hash: string): FleetDocument<Rows> {
    return new FleetDocument(store, generation, hashFromText(hash));
  }

  get generation(): Generation {
    return this.#generation;
  }
  get hash(): string {
    return hashToText(this.#hash);
  }
  get size(): number {
    return this.#rows.size;
  }
  get rows(): Rows {
    return this.#rows;
  }

  /** The row of that name; its shape is that of contracts/fleet.ts for the name's kind. */
  row(name: string): unknown {
    return this.#rows.get(name);
  }

  /** All rows whose name begins with `<kind>/`. */
  rowsOf<Row>(kind: RowKind): Iterable<Row> {
    return this.#rows.ofKind(kind) as Iterable<Row>;
  }

  /** Goes on in a copy of its rows. */
  moveTo(rows: Rows): void {
    this.#rows = rows;
  }

  /**
   * Applies changes (name → new value, null removes) when they end at the expected hash; otherwise nothing changes.
   * @returns the changed rows, or null when the hash does not fit.
   */
  apply(changes: Readonly<Record<string, unknown>>, to: Generation, expectedHash: string): RowChange[] | null {
    let hash = this.#hash;
    const done: RowChange[] = [];
    for (const [name, after] of Object.entries(changes)) {
      const before = this.#rows.get(name);
      if (before !== undefined) hash = subtractHash(hash, rowHash(name, before));
      if (after !== null) hash = addHash(hash, rowHash(name, after));
      done.push({ name, before, after: after ?? undefined });
    }
    if (hashToText(hash) !== expectedHash) return null;
    for (const { name, after } of done) {
      if (after === undefined) this.#rows.delete(name);
      else this.#rows.set(name, after);
    }
    this.#hash = hash;
    this.#generation = to;
    return done;
  }
}
