import { createHash } from "node:crypto";
import { canonicalJson } from "../canonical.ts";
import type { Generation } from "../contracts/fleet.ts";

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
export class FleetDocument {
  readonly #rows: Map<string, unknown>;
  #generation: Generation;
  #hash: bigint;

  private constructor(rows: Map<string, unknown>, generation: Generation, hash: bigint) {
    this.#rows = rows;
    this.#generation = generation;
    this.#hash = hash;
  }

  /** Builds the document from all its rows. */
  static of(rows: Readonly<Record<string, unknown>>, generation: Generation): FleetDocument {
    let hash = 0n;
    const map = new Map<string, unknown>();
    for (const [name, value] of Object.entries(rows)) {
      map.set(name, value);
      hash = addHash(hash, rowHash(name, value));
    }
    return new FleetDocument(map, generation, hash);
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

  /** The row of that name; its shape is that of contracts/fleet.ts for the name's kind. */
  row(name: string): unknown {
    return this.#rows.get(name);
  }

  /** All rows whose name begins with `<kind>/`. */
  *rowsOf<Row>(kind: "tenant" | "key" | "cell" | "part" | "settings"): Generator<Row> {
    const prefix = `${kind}/`;
    for (const [name, value] of this.#rows) if (name.startsWith(prefix)) yield value as Row;
  }

  /** Every row, as a snapshot holds them. */
  toRows(): Record<string, unknown> {
    return Object.fromEntries(this.#rows);
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
