import type { KeyRow } from "../../contracts/fleet.ts";
import type { KeyId } from "../../ids.ts";
import { Records } from "./records.ts";
import { SlotIndex } from "./slot-index.ts";
import type { TenantRecords } from "./tenants.ts";
import { hashQuad, readDigestPrefix, readUuid, uuidText, type Quad } from "./words.ts";

// A key's record, 36 bytes: the first 128 bits of its digest, its id in four words, its tenant's slot + 1 (0: the record is free).
const words = 9;
const idWord = 4;
const tenantWord = 8;

/** As those of tenants. */
export interface KeysAside {
  readonly count: number;
}

/**
 * Rows of API keys in some 44 bytes each, found by digest. Of a digest its first 128 bits are kept and compared: to meet one of a million of
 * them a thief would have to try 2^108 keys, and what else a row needs of its digest stands in the row's name (decision 0037). Therefore the
 * rows can be asked for, changed and removed, but not listed.
 */
export class KeyRecords {
  readonly #tenants: TenantRecords;
  readonly #records = new Records(words);
  readonly #byDigest: SlotIndex;
  readonly #digest: Quad = new Uint32Array(4);
  readonly #id: Quad = new Uint32Array(4);
  #free: number[] = [];

  /** @param aside of records that are read from disk; `filled` must follow. */
  constructor(tenants: TenantRecords, aside?: KeysAside) {
    this.#tenants = tenants;
    this.#records.reserve(aside?.count ?? 0);
    this.#byDigest = new SlotIndex((slot) => this.#hash(slot), aside?.count);
  }

  get size(): number {
    return this.#records.count - this.#free.length;
  }
  get bytes(): number {
    return this.#records.bytes + this.#byDigest.bytes;
  }

  /** @param row fits its schema. */
  put(digest: string, row: KeyRow): void {
    readUuid(row.id, this.#id);
    const tenant = this.#tenants.slotFor(row.tenant);
    const known = this.find(digest);
    const slot = known >= 0 ? known : (this.#free.pop() ?? this.#records.add());
    for (let word = 0; word < 4; word += 1) {
      this.#records.set(slot, word, this.#digest[word] as number);
      this.#records.set(slot, idWord + word, this.#id[word] as number);
    }
    this.#records.set(slot, tenantWord, tenant + 1);
    if (known < 0) this.#byDigest.add(this.#hash(slot), slot);
  }

  remove(digest: string): void {
    const slot = this.find(digest);
    if (slot < 0) return;
    this.#byDigest.remove(this.#hash(slot), slot);
    this.#records.set(slot, tenantWord, 0);
    this.#free.push(slot);
  }

  /** @param digest SHA-256 in lower-case hex. @returns the slot, else -1. Allocates nothing. */
  find(digest: string): number {
    if (!readDigestPrefix(digest, this.#digest)) return -1;
    const [a, b, c, d] = this.#digest as unknown as readonly [number, number, number, number];
    const records = this.#records;
    let place = this.#byDigest.first(hashQuad(a, b, c, d, 0));
    for (let slot = this.#byDigest.at(place); slot >= 0; slot = this.#byDigest.at(place)) {
      if (
        records.get(slot, 0) === a &&
        records.get(slot, 1) === b &&
        records.get(slot, 2) === c &&
        records.get(slot, 3) === d
      )
        return slot;
      place = this.#byDigest.next(place);
    }
    return -1;
  }

  row(slot: number, digest: string): KeyRow {
    const records = this.#records;
    const id = uuidText(
      records.get(slot, idWord),
      records.get(slot, idWord + 1),
      records.get(slot, idWord + 2),
      records.get(slot, idWord + 3),
    );
    return { digest, id: id as KeyId, tenant: this.#tenants.idText(records.get(slot, tenantWord) - 1) };
  }

  /** Takes over all keys of another store; their tenants' ids are looked up, or made ghosts, in this one's. */
  takeOver(from: KeyRecords): void {
    for (let other = 0; other < from.#records.count; other += 1) {
      const tenant = from.#records.get(other, tenantWord);
      if (tenant === 0) continue;
      const slot = this.#records.add();
      for (let word = 0; word < tenantWord; word += 1) this.#records.set(slot, word, from.#records.get(other, word));
      this.#records.set(slot, tenantWord, this.#tenants.slotFor(from.#tenants.idText(tenant - 1)) + 1);
      this.#byDigest.add(this.#hash(slot), slot);
    }
  }

  aside(): KeysAside {
    return { count: this.#records.count };
  }
  chunks(): Generator<Uint8Array> {
    return this.#records.chunks();
  }

  /** The bytes are there: makes the index. */
  filled(): void {
    for (let slot = 0; slot < this.#records.count; slot += 1) {
      const tenant = this.#records.get(slot, tenantWord);
      if (tenant === 0) this.#free.push(slot);
      else this.#byDigest.add(this.#hash(slot), slot);
    }
  }

  #hash(slot: number): number {
    const records = this.#records;
    return hashQuad(records.get(slot, 0), records.get(slot, 1), records.get(slot, 2), records.get(slot, 3), 0);
  }
}
