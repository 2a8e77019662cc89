import type { Static, TSchema } from "typebox";
import Value from "typebox/value";
import { CellRow, KeyRow, PartRow, SettingsRow, TenantRow } from "../../common/contracts/fleet.ts";
import type { FleetDocument, RowChange } from "../../common/fleet/document.ts";
import type { CellId, TenantId } from "../../common/ids.ts";
import { slugOf } from "./host.ts";

/** Hears what a change of the document means for what the router has learned itself. */
export interface TableListener {
  /** A tenant's row is new, changed, or (null) gone. */
  tenantChanged?(tenant: TenantId, row: TenantRow | null): void;
  /** A cell's row is new, changed, or (null) gone. */
  cellChanged?(cell: CellId, row: CellRow | null, before: CellRow | null): void;
}

/**
 * The fleet document in the form that a request needs: host → tenant, key digest → key, cells. Every look-up is a map's. Rows that do not
 * fit their schema are left out and counted; the signature says who wrote them, not that they are right.
 */
export class RoutingTable {
  readonly #tenants = new Map<TenantId, TenantRow>();
  readonly #bySlug = new Map<string, TenantRow>();
  readonly #byDomain = new Map<string, TenantRow>();
  readonly #keys = new Map<string, KeyRow>();
  readonly #cells = new Map<CellId, CellRow>();
  readonly #routers = new Set<string>();
  readonly #listeners: TableListener[] = [];
  #baseDomain: string | null = null;
  #badRows = 0;
  #revision = 0;

  /** Another number whenever anything in the table may be another: what was looked up before may be remembered until then. */
  get revision(): number {
    return this.#revision;
  }
  get tenants(): number {
    return this.#tenants.size;
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
  apply(document: FleetDocument, changes: readonly RowChange[] | "all"): void {
    this.#revision += 1;
    if (changes !== "all") {
      for (const { name, after } of changes) this.#put(name, after);
      return;
    }
    const rows = document.toRows();
    for (const name of this.#names()) if (!(name in rows)) this.#put(name, undefined);
    for (const [name, value] of Object.entries(rows)) this.#put(name, value);
  }

  /** @param host a host name in lower case, without port. */
  tenantAt(host: string): TenantRow | undefined {
    const slug = this.#baseDomain === null ? null : slugOf(host, this.#baseDomain);
    return slug === null ? this.#byDomain.get(host) : this.#bySlug.get(slug);
  }

  tenantOf(slug: string): TenantRow | undefined {
    return this.#bySlug.get(slug);
  }

  tenant(id: TenantId): TenantRow | undefined {
    return this.#tenants.get(id);
  }

  /** @param digest SHA-256 of the API key, lower-case hex. */
  keyOf(digest: string): KeyRow | undefined {
    return this.#keys.get(digest);
  }

  cell(id: CellId): CellRow | undefined {
    return this.#cells.get(id);
  }

  cells(): IterableIterator<CellRow> {
    return this.#cells.values();
  }

  *#names(): Generator<string> {
    for (const id of this.#tenants.keys()) yield `tenant/${id}`;
    for (const digest of this.#keys.keys()) yield `key/${digest}`;
    for (const id of this.#cells.keys()) yield `cell/${id}`;
    for (const id of this.#routers) yield `part/${id}`;
  }

  #put(name: string, value: unknown): void {
    const slash = name.indexOf("/");
    const id = name.slice(slash + 1);
    switch (name.slice(0, slash)) {
      case "tenant":
        return this.#putTenant(id as TenantId, this.#checked(TenantRow, value));
      case "key":
        return this.#putKey(id, this.#checked(KeyRow, value));
      case "cell":
        return this.#putCell(id as CellId, this.#checked(CellRow, value));
      case "part":
        return this.#putPart(id, this.#checked(PartRow, value));
      case "settings":
        if (id === "fleet")
          this.#baseDomain = this.#checked(SettingsRow, value)?.baseDomain.toLowerCase() ?? this.#baseDomain;
        return;
      default:
        // A newer publisher may write kinds that this router does not know; it needs none of them to route.
        return;
    }
  }

  #checked<Schema extends TSchema>(schema: Schema, value: unknown): Static<Schema> | null {
    if (value === undefined) return null;
    if (Value.Check(schema, value)) return value;
    this.#badRows += 1;
    return null;
  }

  #putTenant(id: TenantId, row: TenantRow | null): void {
    const before = this.#tenants.get(id);
    if (before !== undefined) {
      if (this.#bySlug.get(before.slug)?.id === id) this.#bySlug.delete(before.slug);
      for (const domain of before.domains)
        if (this.#byDomain.get(domain.toLowerCase())?.id === id) this.#byDomain.delete(domain.toLowerCase());
    }
    if (row === null) this.#tenants.delete(id);
    else {
      this.#tenants.set(id, row);
      this.#bySlug.set(row.slug, row);
      for (const domain of row.domains) this.#byDomain.set(domain.toLowerCase(), row);
    }
    for (const listener of this.#listeners) listener.tenantChanged?.(id, row);
  }

  #putKey(digest: string, row: KeyRow | null): void {
    if (row === null) this.#keys.delete(digest);
    else this.#keys.set(digest, row);
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
