import { Compile } from "typebox/compile";
import { CellRow, PartRow, SettingsRow, type KeyRow, type TenantRow } from "../../common/contracts/fleet.ts";
import { CompactRows } from "../../common/fleet/compact/rows.ts";
import type { FleetDocument, RowChange } from "../../common/fleet/document.ts";
import type { CellId, TenantId } from "../../common/ids.ts";
import { slugLength } from "./host.ts";
import { HotRows } from "./hot-rows.ts";

const cellSchema = Compile(CellRow);
const partSchema = Compile(PartRow);
const settingsSchema = Compile(SettingsRow);

/** Hears what a change of the document means for what the router has learned itself. */
export interface TableListener {
  /** A tenant's row is new, changed, or (null) gone. */
  tenantChanged?(tenant: TenantId, row: TenantRow | null): void;
  /** The tenants that `tenantChanged` matters for now: after a whole document it is called for these alone. */
  watchedTenants?(): Iterable<TenantId>;
  /** A cell's row is new, changed, or (null) gone. */
  cellChanged?(cell: CellId, row: CellRow | null, before: CellRow | null): void;
}

/**
 * The fleet document in the form that a request needs: host → tenant, key digest → key, cells. Tenants and keys are looked up in the document's own
 * compact rows; what is found is always compared with what was asked for. Rows that do not fit their schema are left out and counted; the
 * signature says who wrote them, not that they are right.
 */
export class RoutingTable {
  readonly #cells = new Map<CellId, CellRow>();
  readonly #routers = new Set<string>();
  readonly #listeners: TableListener[] = [];
  readonly #hotTenants = new HotRows<TenantRow>();
  readonly #hotKeys = new HotRows<KeyRow>();
  #rows = new CompactRows();
  #baseDomain: string | null = null;
  #badRows = 0;
  #revision = 0;

  /** Another number whenever anything in the table may be another: what was looked up before may be remembered until then. */
  get revision(): number {
    return this.#revision;
  }
  get tenants(): number {
    return this.#rows.tenants.size;
  }
  get keys(): number {
    return this.#rows.keys.size;
  }
  /** Bytes of tenants, keys and their indexes. */
  get bytes(): number {
    return this.#rows.bytes;
  }
  get baseDomain(): string | null {
    return this.#baseDomain;
  }
  /** Rows left out because they did not fit their schema, since the process began. */
  get badRows(): number {
    return this.#badRows;
  }
  /** How many routers the document names, at least one: a tenant's limits are shared among them. */
  get routers(): number {
    return Math.max(1, this.#routers.size);
  }

  listen(listener: TableListener): void {
    this.#listeners.push(listener);
  }

  /** Takes over a document, or the rows that a delta changed in it. */
  apply(document: FleetDocument<CompactRows>, changes: readonly RowChange[] | "all"): void {
    this.#revision += 1;
    if (changes === "all" || document.rows !== this.#rows) return this.#replace(document);
    for (const { name, after } of changes) this.#put(name, after);
  }

  /** @param host a host name in lower case, without port. */
  tenantAt(host: string): TenantRow | undefined {
    const { tenants } = this.#rows;
    const length = this.#baseDomain === null ? 0 : slugLength(host, this.#baseDomain);
    return this.#tenantIn(length > 0 ? tenants.findSlug(host, length) : tenants.findDomain(host));
  }

  tenantOf(slug: string): TenantRow | undefined {
    return this.#tenantIn(this.#rows.tenants.findSlug(slug, slug.length));
  }

  tenant(id: TenantId): TenantRow | undefined {
    const slot = this.#rows.tenants.slotOf(id);
    return slot >= 0 && this.#rows.tenants.isLive(slot) ? this.#tenantIn(slot) : undefined;
  }

  /** @param digest SHA-256 of the API key, lower-case hex. */
  keyOf(digest: string): KeyRow | undefined {
    const slot = this.#rows.keys.find(digest);
    if (slot < 0) return undefined;
    let row = this.#hotKeys.get(slot);
    if (row === undefined) {
      row = this.#rows.keys.row(slot, digest);
      this.#hotKeys.put(slot, row);
    }
    return row;
  }

  cell(id: CellId): CellRow | undefined {
    return this.#cells.get(id);
  }

  cells(): IterableIterator<CellRow> {
    return this.#cells.values();
  }

  /** Every tenant's row, made as it is asked for. */
  allTenants(): Iterable<TenantRow> {
    return this.#rows.ofKind("tenant") as Iterable<TenantRow>;
  }

  /** How many tenants each cell has. Reads every record. */
  tenantsByCell(): ReadonlyMap<CellId, number> {
    return this.#rows.tenants.countByCell();
  }

  #tenantIn(slot: number): TenantRow | undefined {
    if (slot < 0) return undefined;
    let row = this.#hotTenants.get(slot);
    if (row === undefined) {
      row = this.#rows.tenants.row(slot);
      this.#hotTenants.put(slot, row);
    }
    return row;
  }

  #replace(document: FleetDocument<CompactRows>): void {
    const { rows } = document;
    this.#rows = rows;
    this.#hotTenants.clear();
    this.#hotKeys.clear();
    this.#badRows += rows.misfits;
    this.#baseDomain = null;
    const seen = new Set<string>();
    for (const [name, value] of rows.others()) {
      seen.add(name);
      this.#putOther(name, value);
    }
    for (const id of this.#cells.keys()) if (!seen.has(`cell/${id}`)) this.#putCell(id, null);
    for (const id of this.#routers) if (!seen.has(`part/${id}`)) this.#routers.delete(id);
    for (const listener of this.#listeners) {
      // Hearing of it may end the watching: the list is taken first.
      const watched = Array.from(listener.watchedTenants?.() ?? []);
      for (const id of watched) listener.tenantChanged?.(id, this.tenant(id) ?? null);
    }
  }

  #put(name: string, value: unknown): void {
    const id = name.slice(name.indexOf("/") + 1);
    if (name.startsWith("tenant/")) this.#tenantChanged(id as TenantId, value);
    else if (name.startsWith("key/")) this.#keyChanged(id, value);
    else this.#putOther(name, value);
  }

  #tenantChanged(id: TenantId, value: unknown): void {
    const slot = this.#rows.tenants.slotOf(id);
    if (slot >= 0) this.#hotTenants.forget(slot);
    const row = this.tenant(id) ?? null;
    if (row === null && value !== undefined) this.#badRows += 1;
    for (const listener of this.#listeners) listener.tenantChanged?.(id, row);
  }

  #keyChanged(digest: string, value: unknown): void {
    // A key that is gone has left its slot to the next one.
    this.#hotKeys.clear();
    if (value !== undefined && this.#rows.keys.find(digest) < 0) this.#badRows += 1;
  }

  #putOther(name: string, value: unknown): void {
    const slash = name.indexOf("/");
    const id = name.slice(slash + 1);
    switch (name.slice(0, slash)) {
      case "cell":
        return this.#putCell(id as CellId, this.#checked(cellSchema, value));
      case "part":
        return this.#putPart(id, this.#checked(partSchema, value));
      case "settings":
        if (id === "fleet")
          this.#baseDomain = this.#checked(settingsSchema, value)?.baseDomain.toLowerCase() ?? this.#baseDomain;
        return;
      default:
        // A newer publisher may write kinds that this router does not know; it needs none of them to route.
        return;
    }
  }

  #checked<Row>(schema: { Check(value: unknown): value is Row }, value: unknown): Row | null {
    if (value === undefined) return null;
    if (schema.Check(value)) return value;
    this.#badRows += 1;
    return null;
  }

  #putCell(id: CellId, row: CellRow | null): void {
    const before = this.#cells.get(id) ?? null;
    if (row === null) this.#cells.delete(id);
    else this.#cells.set(id, row);
    for (const listener of this.#listeners) listener.cellChanged?.(id, row, before);
  }

  #putPart(id: string, row: PartRow | null): void {
    if (row?.role === "router") this.#routers.add(id);
    else this.#routers.delete(id);
  }
}
