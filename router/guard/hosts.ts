import type { TenantRow } from "../../common/contracts/fleet.ts";
import type { TenantId } from "../../common/ids.ts";
import { fail } from "../errors.ts";
import { hostName } from "../table/host.ts";
import type { RoutingTable } from "../table/table.ts";
import type { FieldBlock } from "../wire/field-block.ts";
import type { Kept } from "./kept.ts";
import type { InFlight, Load } from "./in-flight.ts";
import { KnownFields } from "./known-fields.ts";
import type { Bucket, RateLimits } from "./rate.ts";

/** Spellings of hosts that are remembered, about 200 bytes each, and tenants with what they are counted on: more than are in use at once. */
const maxKept = 20_000;
/** Of one tenant, beside its host in lower case without a port: browsers add a port, and case is free; but whoever makes up spellings pushes out nobody. */
const maxSpellings = 4;

/** A tenant at a host, with what its requests are counted on. */
export interface Guest extends Kept {
  readonly tenant: TenantRow;
  readonly bucket: Bucket;
  readonly load: Load;
}

interface KnownHost {
  readonly name: string;
  /** Of the table in which the guest was found. */
  revision: number;
  guest: Guest;
}

/**
 * Finds the tenant of a Host field. What was found is remembered until the table is another, so that most requests cost one look-up. Only what was
 * found: a stranger's guesses push out nobody.
 */
export class Hosts {
  readonly #table: RoutingTable;
  readonly #rates: RateLimits;
  readonly #inFlight: InFlight<TenantId>;
  readonly #known = new KnownFields<KnownHost>(maxKept);
  readonly #guests = new Map<TenantId, Guest>();
  /** Spellings of each tenant that are remembered. */
  readonly #spellings = new Map<TenantId, number>();

  constructor(table: RoutingTable, rates: RateLimits, inFlight: InFlight<TenantId>) {
    this.#table = table;
    this.#rates = rates;
    this.#inFlight = inFlight;
  }

  /**
   * @param index of the Host field in the block.
   * @returns undefined where no tenant answers there. @throws CellplaneError malformed-request for what is no host name.
   */
  guestAt(fields: FieldBlock, index: number): Guest | undefined {
    const known = this.#known.find(fields, index);
    if (known === undefined) return this.#meet(fields, index);
    if (known.revision === this.#table.revision) return known.guest;
    const tenant = this.#table.tenantAt(known.name);
    if (tenant === undefined) return undefined;
    if (tenant !== known.guest.tenant) known.guest = this.#guestOf(tenant);
    known.revision = this.#table.revision;
    return known.guest;
  }

  /** Whether what was found at this spelling is remembered. */
  remembers(fields: FieldBlock, index: number): boolean {
    return this.#known.find(fields, index) !== undefined;
  }

  #meet(fields: FieldBlock, index: number): Guest | undefined {
    const field = fields.value(index);
    const name = hostName(field);
    if (name === null) throw fail("malformed-request", "The Host field is not a host name.");
    const tenant = this.#table.tenantAt(name);
    if (tenant === undefined) return undefined;
    const guest = this.#guestOf(tenant);
    if (field === name || this.#mayKeep(tenant.id))
      this.#known.keep(fields, index, { name, revision: this.#table.revision, guest });
    return guest;
  }

  #mayKeep(tenant: TenantId): boolean {
    if (this.#spellings.size >= maxKept) this.#spellings.clear();
    const spellings = (this.#spellings.get(tenant) ?? 0) + 1;
    this.#spellings.set(tenant, spellings);
    return spellings <= maxSpellings;
  }

  /** One for all spellings of a tenant's host, so that its assertion is signed once. */
  #guestOf(tenant: TenantRow): Guest {
    const before = this.#guests.get(tenant.id);
    if (before?.tenant === tenant) return before;
    if (this.#guests.size >= 2 * maxKept) this.#guests.clear();
    const assertion = before?.assertion ?? null;
    const guest = { tenant, bucket: this.#rates.bucketOf(tenant.id), load: this.#inFlight.load(tenant.id), assertion };
    this.#guests.set(tenant.id, guest);
    return guest;
  }
}
