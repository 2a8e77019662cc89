import { canonicalJson } from "../../canonical.ts";
import { tenantStates, tiers, type Limits, type TenantRow } from "../../contracts/fleet.ts";
import type { CellId, TenantId } from "../../ids.ts";
import { Interned, Records, TextHeap } from "./records.ts";
import { SlotIndex } from "./slot-index.ts";
import { finish, hashQuad, readUuid, uuidText, type Quad } from "./words.ts";

// A tenant's record, 32 bytes: its id in four words, where its slug begins, its epoch, its flags, and the numbers of its cell and limits.
// A record whose `live` bit is not set is a ghost: an id that keys name, without a row; the same id finds it again.
const words = 8;
const slugWord = 4;
const epochWord = 5;
const flagsWord = 6;
const kindWord = 7;

const slugLengthMask = 0x3f;
const tierShift = 6;
const stateShift = 8;
const movingBit = 1 << 10;
const syntheticBit = 1 << 11;
const moreBit = 1 << 12;
const liveBit = 1 << 13;

const largestWord = 0xffff_ffff;
/** Cells and limits that have a number; a tenant of any further one keeps its own by name. */
const mostInterned = 0xffff;

/** What few tenants have, or what does not fit a record. */
interface More {
  readonly domains: readonly string[];
  readonly reason: string | null;
  readonly epoch?: number;
  readonly cell?: string;
  readonly limits?: Limits;
}

/** What of the records does not lie in them, as it is written to disk. */
export interface TenantsAside {
  readonly count: number;
  readonly slugsEnd: number;
  readonly cells: readonly string[];
  readonly limits: readonly string[];
  readonly more: readonly (readonly [number, More])[];
}

/**
 * Rows of tenants in some 60 bytes each. Every row that fits its schema is kept without loss. Found by slug, domain and id: by a
 * hash seeded at random (customers choose slugs), and always compared.
 */
export class TenantRecords {
  readonly #records: Records;
  readonly #slugs: TextHeap;
  readonly #cells: Interned;
  readonly #limits: Interned;
  readonly #limitRows: (Limits | undefined)[] = [];
  readonly #more: Map<number, More>;
  readonly #byDomain = new Map<string, number>();
  readonly #bySlug: SlotIndex;
  readonly #byId: SlotIndex;
  readonly #seed = Math.floor(Math.random() * largestWord);
  readonly #id: Quad = new Uint32Array(4);
  #live = 0;
  /** Bytes of slugs that nobody has any more. */
  #lostBytes = 0;

  /** @param aside of records that are read from disk; `filled` must follow when their bytes are there. */
  constructor(aside?: TenantsAside) {
    this.#records = new Records(words);
    this.#slugs = new TextHeap();
    this.#cells = new Interned(aside?.cells);
    this.#limits = new Interned(aside?.limits);
    this.#more = new Map(aside?.more);
    this.#records.reserve(aside?.count ?? 0);
    this.#slugs.reserve(aside?.slugsEnd ?? 0);
    this.#bySlug = new SlotIndex((slot) => this.#slugHash(slot), aside?.count);
    this.#byId = new SlotIndex((slot) => this.#idHash(slot), aside?.count);
  }

  get size(): number {
    return this.#live;
  }
  /** Slots given out; some may hold no row. */
  get slots(): number {
    return this.#records.count;
  }
  get bytes(): number {
    return this.#records.bytes + this.#slugs.bytes + this.#bySlug.bytes + this.#byId.bytes;
  }
  /** Whether a fresh copy would take much less. */
  get wasteful(): boolean {
    const ghosts = this.#records.count - this.#live;
    return ghosts > 10_000 + this.#live / 4 || this.#lostBytes > 1_000_000 + this.#slugs.end / 4;
  }

  /** @param row fits its schema. */
  put(id: string, row: TenantRow): void {
    let slot = this.slotOf(id);
    const isNew = slot < 0;
    if (isNew) slot = this.#addGhost();
    if (isNew || !this.isLive(slot)) this.#live += 1;
    const before = this.isLive(slot) ? this.#records.get(slot, flagsWord) & slugLengthMask : 0;
    const sameSlug =
      before === row.slug.length && this.#slugs.equals(this.#records.get(slot, slugWord), row.slug, 0, before);
    if (before > 0 && !sameSlug) this.#forgetSlug(slot);
    this.#forgetMore(slot);
    this.#write(slot, row);
    if (!sameSlug) this.#records.set(slot, slugWord, this.#slugs.add(row.slug));
    // The last who took a slug or a domain has it.
    this.#learnSlug(slot, row.slug);
    for (const domain of row.domains) this.#byDomain.set(domain.toLowerCase(), slot);
  }

  remove(id: string): void {
    const slot = this.slotOf(id);
    if (slot < 0 || !this.isLive(slot)) return;
    this.#forgetSlug(slot);
    this.#forgetMore(slot);
    this.#records.set(slot, flagsWord, 0);
    this.#live -= 1;
  }

  /** @returns the slot of that id, of a row or a ghost; -1 where there is neither. */
  slotOf(id: string): number {
    const quad = this.#id;
    if (!readUuid(id, quad)) return -1;
    const [a, b, c, d] = quad as unknown as readonly [number, number, number, number];
    const records = this.#records;
    let place = this.#byId.first(hashQuad(a, b, c, d, this.#seed));
    for (let slot = this.#byId.at(place); slot >= 0; slot = this.#byId.at(place)) {
      if (
        records.get(slot, 3) === d &&
        records.get(slot, 2) === c &&
        records.get(slot, 1) === b &&
        records.get(slot, 0) === a
      )
        return slot;
      place = this.#byId.next(place);
    }
    return -1;
  }

  /** The slot of that id, made for it where there is none; -1 where the text is no UUID. */
  slotFor(id: string): number {
    const slot = this.slotOf(id);
    if (slot >= 0) return slot;
    return readUuid(id, this.#id) ? this.#addGhost() : -1;
  }

  isLive(slot: number): boolean {
    return (this.#records.get(slot, flagsWord) & liveBit) !== 0;
  }

  /** @returns the slot of the tenant whose slug is that part of the text, else -1. Allocates nothing. */
  findSlug(text: string, length: number): number {
    if (length === 0 || length > slugLengthMask) return -1;
    const records = this.#records;
    let place = this.#bySlug.first(this.#textHash(text, length));
    for (let slot = this.#bySlug.at(place); slot >= 0; slot = this.#bySlug.at(place)) {
      if (
        (records.get(slot, flagsWord) & slugLengthMask) === length &&
        this.#slugs.equals(records.get(slot, slugWord), text, 0, length)
      )
        return slot;
      place = this.#bySlug.next(place);
    }
    return -1;
  }

  findDomain(host: string): number {
    return this.#byDomain.get(host) ?? -1;
  }

  idText(slot: number): TenantId {
    const { get } = this.#reader(slot);
    return uuidText(get(0), get(1), get(2), get(3)) as TenantId;
  }

  row(slot: number): TenantRow {
    const { get } = this.#reader(slot);
    const flags = get(flagsWord);
    const more = (flags & moreBit) === 0 ? undefined : this.#more.get(slot);
    return {
      id: uuidText(get(0), get(1), get(2), get(3)) as TenantId,
      slug: this.#slugs.text(get(slugWord), flags & slugLengthMask),
      domains: more === undefined ? [] : [...more.domains],
      tier: tiers[(flags >>> tierShift) & 3] as TenantRow["tier"],
      cell: (more?.cell ?? this.#cells.value(get(kindWord) >>> 16)) as CellId,
      epoch: more?.epoch ?? get(epochWord),
      state: tenantStates[(flags >>> stateShift) & 3] as TenantRow["state"],
      reason: more?.reason ?? null,
      moving: (flags & movingBit) !== 0,
      synthetic: (flags & syntheticBit) !== 0,
      limits: more?.limits ?? this.#limitsOf(get(kindWord) & mostInterned),
    };
  }

  *slotsWithRow(): Generator<number> {
    for (let slot = 0; slot < this.#records.count; slot += 1) if (this.isLive(slot)) yield slot;
  }

  /** How many tenants each cell has. */
  countByCell(): Map<CellId, number> {
    const counts = new Map<CellId, number>();
    for (const slot of this.slotsWithRow()) {
      const cell = (this.#more.get(slot)?.cell ??
        this.#cells.value(this.#records.get(slot, kindWord) >>> 16)) as CellId;
      counts.set(cell, (counts.get(cell) ?? 0) + 1);
    }
    return counts;
  }

  /** For the disk: `aside`, then the records' bytes, then the slugs'. */
  aside(): TenantsAside {
    return {
      count: this.#records.count,
      slugsEnd: this.#slugs.end,
      cells: this.#cells.toArray(),
      limits: this.#limits.toArray(),
      more: [...this.#more],
    };
  }
  *chunks(): Generator<Uint8Array> {
    yield* this.#records.chunks();
    yield* this.#slugs.chunks();
  }

  /** The bytes are there: makes the indexes. */
  filled(): void {
    for (let slot = 0; slot < this.#records.count; slot += 1) {
      this.#byId.add(this.#idHash(slot), slot);
      if (!this.isLive(slot)) continue;
      this.#live += 1;
      this.#bySlug.add(this.#slugHash(slot), slot);
    }
    for (const [slot, { domains }] of this.#more)
      for (const domain of domains) this.#byDomain.set(domain.toLowerCase(), slot);
  }

  #write(slot: number, row: TenantRow): void {
    const cell = this.#cells.numberOf(row.cell, mostInterned);
    const limits = this.#limits.numberOf(canonicalJson(row.limits), mostInterned);
    const fits = cell >= 0 && limits >= 0 && row.epoch <= largestWord;
    const hasMore = row.domains.length > 0 || row.reason !== null || !fits;
    if (hasMore)
      this.#more.set(slot, {
        domains: row.domains,
        reason: row.reason,
        ...(fits ? {} : { epoch: row.epoch, cell: row.cell, limits: row.limits }),
      });
    const flags =
      row.slug.length |
      (tiers.indexOf(row.tier) << tierShift) |
      (tenantStates.indexOf(row.state) << stateShift) |
      (row.moving ? movingBit : 0) |
      (row.synthetic ? syntheticBit : 0) |
      (hasMore ? moreBit : 0) |
      liveBit;
    this.#records.set(slot, flagsWord, flags);
    this.#records.set(slot, epochWord, Math.min(row.epoch, largestWord));
    this.#records.set(slot, kindWord, ((Math.max(cell, 0) << 16) | Math.max(limits, 0)) >>> 0);
  }

  /** A record for the id that was read last. */
  #addGhost(): number {
    const slot = this.#records.add();
    for (let word = 0; word < 4; word += 1) this.#records.set(slot, word, this.#id[word] as number);
    this.#byId.add(this.#idHash(slot), slot);
    return slot;
  }

  #learnSlug(slot: number, slug: string): void {
    const hash = this.#textHash(slug, slug.length);
    const other = this.findSlug(slug, slug.length);
    if (other === slot) return;
    if (other >= 0) this.#bySlug.remove(hash, other);
    this.#bySlug.add(hash, slot);
  }

  #forgetSlug(slot: number): void {
    this.#lostBytes += this.#records.get(slot, flagsWord) & slugLengthMask;
    this.#bySlug.remove(this.#slugHash(slot), slot);
  }

  #forgetMore(slot: number): void {
    const more = this.#more.get(slot);
    if (more === undefined) return;
    this.#more.delete(slot);
    for (const domain of more.domains)
      if (this.#byDomain.get(domain.toLowerCase()) === slot) this.#byDomain.delete(domain.toLowerCase());
  }

  #limitsOf(number: number): Limits {
    this.#limitRows[number] ??= JSON.parse(this.#limits.value(number)) as Limits;
    return this.#limitRows[number];
  }

  #reader(slot: number): { readonly get: (word: number) => number } {
    return { get: (word) => this.#records.get(slot, word) };
  }

  #idHash(slot: number): number {
    const records = this.#records;
    return hashQuad(records.get(slot, 0), records.get(slot, 1), records.get(slot, 2), records.get(slot, 3), this.#seed);
  }

  #slugHash(slot: number): number {
    const length = this.#records.get(slot, flagsWord) & slugLengthMask;
    const at = this.#records.get(slot, slugWord);
    let hash = this.#seed;
    for (let index = 0; index < length; index += 1) hash = Math.imul(hash ^ this.#slugs.byte(at + index), 0x01000193);
    return finish(hash);
  }

  /** FNV-1a over the letters, from a seed. */
  #textHash(text: string, length: number): number {
    let hash = this.#seed;
    for (let index = 0; index < length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
    return finish(hash);
  }
}
