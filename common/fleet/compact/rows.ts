import { Compile } from "typebox/compile";
import { KeyRow, TenantRow } from "../../contracts/fleet.ts";
import type { RowKind, RowStore } from "../rows.ts";
import { KeyRecords, type KeysAside } from "./keys.ts";
import { TenantRecords, type TenantsAside } from "./tenants.ts";

const tenantSchema = Compile(TenantRow);
const keySchema = Compile(KeyRow);
const tenantPrefix = "tenant/";
const keyPrefix = "key/";

/** What is written to disk beside the records' bytes. */
export interface RowsAside {
  readonly tenants: TenantsAside;
  readonly keys: KeysAside;
  readonly others: readonly (readonly [string, unknown])[];
}

/**
 * The document's rows in a compact form: tenants and keys as records, all else (cells, parts, settings: few) as they came. A tenant or key
 * that does not fit its schema is kept as it came too, so that the document's hash stays right, and counts as none: it is never found.
 */
export class CompactRows implements RowStore {
  readonly tenants: TenantRecords;
  readonly keys: KeyRecords;
  readonly #others: Map<string, unknown>;

  constructor(aside?: RowsAside) {
    this.tenants = new TenantRecords(aside?.tenants);
    this.keys = new KeyRecords(this.tenants, aside?.keys);
    this.#others = new Map(aside?.others);
  }

  get size(): number {
    return this.tenants.size + this.keys.size + this.#others.size;
  }
  /** Bytes of the records and their indexes. */
  get bytes(): number {
    return this.tenants.bytes + this.keys.bytes;
  }
  /** Tenants and keys that do not fit their schema. */
  get misfits(): number {
    let count = 0;
    for (const name of this.#others.keys()) if (name.startsWith(tenantPrefix) || name.startsWith(keyPrefix)) count += 1;
    return count;
  }

  /** All rows but tenants and keys; and those of tenants and keys that do not fit their schema. */
  others(): IterableIterator<[string, unknown]> {
    return this.#others.entries();
  }

  get(name: string): unknown {
    const tenant = idOf(name, tenantPrefix);
    if (tenant !== null) {
      const slot = this.tenants.slotOf(tenant);
      if (slot >= 0 && this.tenants.isLive(slot)) return this.tenants.row(slot);
    }
    const digest = idOf(name, keyPrefix);
    if (digest !== null) {
      const slot = this.keys.find(digest);
      if (slot >= 0) return this.keys.row(slot, digest);
    }
    return this.#others.get(name);
  }

  set(name: string, value: unknown): void {
    const tenant = idOf(name, tenantPrefix);
    const digest = idOf(name, keyPrefix);
    if (tenant !== null && tenantSchema.Check(value) && value.id === tenant) {
      this.tenants.put(tenant, value);
      this.#others.delete(name);
    } else if (digest !== null && keySchema.Check(value) && value.digest === digest) {
      this.keys.put(digest, value);
      this.#others.delete(name);
    } else {
      this.#removeRecord(tenant, digest);
      this.#others.set(name, value);
    }
  }

  delete(name: string): void {
    this.#removeRecord(idOf(name, tenantPrefix), idOf(name, keyPrefix));
    this.#others.delete(name);
  }

  /** @throws TypeError for keys: they cannot be listed. */
  *ofKind(kind: RowKind): Generator<unknown> {
    if (kind === "key") throw new TypeError("keys are known by a part of their digest here, and cannot be listed");
    if (kind === "tenant") for (const slot of this.tenants.slotsWithRow()) yield this.tenants.row(slot);
    else for (const [name, value] of this.#others) if (name.startsWith(`${kind}/`)) yield value;
  }

  /** A copy without what was left behind by removals, where that is worth it; else this. */
  compacted(): CompactRows {
    if (!this.tenants.wasteful) return this;
    const copy = new CompactRows();
    for (const slot of this.tenants.slotsWithRow()) {
      const row = this.tenants.row(slot);
      copy.tenants.put(row.id, row);
    }
    copy.keys.takeOver(this.keys);
    for (const [name, value] of this.#others) copy.#others.set(name, value);
    return copy;
  }

  aside(): RowsAside {
    return { tenants: this.tenants.aside(), keys: this.keys.aside(), others: [...this.#others] };
  }
  *chunks(): Generator<Uint8Array> {
    yield* this.tenants.chunks();
    yield* this.keys.chunks();
  }
  /** The chunks' bytes are there. */
  filled(): void {
    this.tenants.filled();
    this.keys.filled();
  }

  #removeRecord(tenant: string | null, digest: string | null): void {
    if (tenant !== null) this.tenants.remove(tenant);
    else if (digest !== null) this.keys.remove(digest);
  }
}

function idOf(name: string, prefix: string): string | null {
  return name.startsWith(prefix) ? name.slice(prefix.length) : null;
}
