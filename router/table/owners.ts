import type { ReleaseRecord, Slot, SlotAddresses } from "../../common/contracts/lease.ts";
import type { TenantRow } from "../../common/contracts/fleet.ts";
import type { CellId, TenantId } from "../../common/ids.ts";
import type { RoutingTable, TableListener } from "./table.ts";

/** Whom the router takes to own a tenant. */
export interface Owner {
  readonly cell: CellId;
  readonly epoch: number;
  readonly addresses: Readonly<Record<Slot, SlotAddresses>>;
  /** The release record by which the owner was learned, to be shown to it; absent when the document names the owner. */
  readonly record?: string;
}

/** Tenants moved while the control plane is dead are few; the oldest is forgotten first and learned again by one more 421. */
const maxAdopted = 10_000;

/**
 * Who owns a tenant: the document's word, unless a release record at a higher epoch has been adopted since. What was adopted goes when the
 * document has caught up.
 */
export class Owners implements TableListener {
  readonly #table: RoutingTable;
  readonly #adopted = new Map<TenantId, Owner>();

  constructor(table: RoutingTable) {
    this.#table = table;
    table.listen(this);
  }

  get adopted(): number {
    return this.#adopted.size;
  }

  /** Undefined when the tenant's cell is not in the document. */
  ownerOf(tenant: TenantRow): Owner | undefined {
    if (this.#adopted.size > 0) {
      const adopted = this.#adopted.get(tenant.id);
      if (adopted !== undefined && adopted.epoch > tenant.epoch) return adopted;
    }
    return this.byDocument(tenant);
  }

  /** By the document alone, which is right as long as nothing is `adopted`. */
  byDocument(tenant: TenantRow): Owner | undefined {
    const cell = this.#table.cell(tenant.cell);
    return cell === undefined ? undefined : { cell: tenant.cell, epoch: tenant.epoch, addresses: cell.slots };
  }

  /** Adopts a verified release record. @returns the new owner, or null when what is known already is at least as new (I3). */
  adopt(record: ReleaseRecord, token: string): Owner | null {
    const known = Math.max(this.#adopted.get(record.tenant)?.epoch ?? 0, this.#table.tenant(record.tenant)?.epoch ?? 0);
    if (record.epoch <= known) return null;
    const owner: Owner = {
      cell: record.destination,
      epoch: record.epoch,
      addresses: this.#table.cell(record.destination)?.slots ?? record.addresses,
      record: token,
    };
    this.#adopted.delete(record.tenant);
    this.#adopted.set(record.tenant, owner);
    if (this.#adopted.size > maxAdopted) {
      const [oldest] = this.#adopted.keys();
      if (oldest !== undefined) this.#adopted.delete(oldest);
    }
    return owner;
  }

  watchedTenants(): Iterable<TenantId> {
    return this.#adopted.keys();
  }

  tenantChanged(tenant: TenantId, row: TenantRow | null): void {
    const adopted = this.#adopted.get(tenant);
    if (adopted !== undefined && (row === null || row.epoch >= adopted.epoch)) this.#adopted.delete(tenant);
  }
}
