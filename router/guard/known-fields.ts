import type { FieldBlock } from "../wire/field-block.ts";

interface Entry<Value> {
  readonly bytes: Uint8Array;
  readonly value: Value;
  /** Another text of the same hash. */
  readonly next: Entry<Value> | null;
}

/**
 * What is known of values that a field had before, found without making a string of the value: of each request two are looked up, and a string would
 * have to be cut out, hashed and compared. Whoever asks puts only what was right into it, so that strangers neither fill it nor choose its hashes.
 */
export class KnownFields<Value> {
  readonly #most: number;
  /** What was used lately; when it is full it becomes the old one, and what the old one held and nobody asked for is forgotten. */
  #young = new Map<number, Entry<Value>>();
  #old = new Map<number, Entry<Value>>();
  #size = 0;

  /** @param most that surely stay known; twice as many at most. */
  constructor(most: number) {
    this.#most = most;
  }

  /** @param index of the field in the block. */
  find(fields: FieldBlock, index: number): Value | undefined {
    const hash = fields.valueHash(index);
    const young = entryOf(this.#young.get(hash), fields, index);
    if (young !== null) return young.value;
    const old = entryOf(this.#old.get(hash), fields, index);
    if (old === null) return undefined;
    this.#put(hash, old.bytes, old.value);
    return old.value;
  }

  keep(fields: FieldBlock, index: number, value: Value): void {
    this.#put(fields.valueHash(index), fields.valueBytes(index), value);
  }

  #put(hash: number, bytes: Uint8Array, value: Value): void {
    if (this.#size >= this.#most) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#size = 0;
    }
    this.#young.set(hash, { bytes, value, next: this.#young.get(hash) ?? null });
    this.#size += 1;
  }
}

function entryOf<Value>(first: Entry<Value> | undefined, fields: FieldBlock, index: number): Entry<Value> | null {
  let entry = first ?? null;
  while (entry !== null && !fields.valueIs(index, entry.bytes)) entry = entry.next;
  return entry;
}
