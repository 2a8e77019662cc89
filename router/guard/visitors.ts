import type { TenantRow, Tier } from "../../common/contracts/fleet.ts";
import type { KeyId } from "../../common/ids.ts";
import type { SigningKey } from "../../common/keys.ts";
import type { Owner } from "../table/owners.ts";
import type { FieldBlock } from "../wire/field-block.ts";
import type { Caller } from "./caller.ts";
import type { Guest } from "./hosts.ts";
import type { Load } from "./in-flight.ts";
import type { Bucket } from "./rate.ts";

/** Visitors that surely stay known; twice as many at most, each with a record. */
const most = 10_000;
/** Of one record: the lengths of both values, the values, and the line of the assertion. */
const recordBytes = 1_024;
const blockBits = 7;
const recordsPerBlock = 1 << blockBits;
/** Longer values are looked up one by one each time. */
const longestValue = 200;
/** A power of two, and so many that most are found where their hash says. */
const places = 32_768;

const noLine = Buffer.alloc(0);

/**
 * A caller at a tenant's host, and all that their requests need. Where hundreds of tenants ask in turn, nothing that is known of one is near when its turn
 * comes, and each object on the way costs a hundred nanoseconds: so what is needed stands together, with one look-up.
 */
export class Visitor {
  readonly tenant: TenantRow;
  readonly guest: Guest;
  readonly caller: Caller;
  readonly bucket: Bucket;
  readonly load: Load;
  readonly principal: KeyId | "anonymous";
  readonly active: boolean;
  readonly requestsPerSecond: number;
  readonly mostInFlight: number;
  readonly bodyBytes: number;
  readonly slug: string;
  readonly tier: Tier;
  readonly synthetic: boolean;
  /** By the fleet document; null where it does not know the tenant's cell. */
  readonly owner: Owner | null;
  /** Of the table that says all this. */
  readonly revision: number;
  signedWith: SigningKey | null = null;
  /** Seconds since the epoch. */
  usableUntil = 0;
  /** The line of the assertion for that owner: where it stands. */
  line: Buffer = noLine;
  lineFrom = 0;
  lineTo = 0;
  /** Where its record has room for a line; null without a record. */
  record: Buffer | null = null;
  roomFrom = 0;
  roomTo = 0;

  constructor(guest: Guest, caller: Caller, owner: Owner | null, revision: number) {
    const { tenant } = guest;
    this.tenant = tenant;
    this.guest = guest;
    this.caller = caller;
    this.bucket = guest.bucket;
    this.load = guest.load;
    this.principal = caller.principal;
    this.active = tenant.state === "active";
    this.requestsPerSecond = tenant.limits.requestsPerSecond;
    this.mostInFlight = tenant.limits.inFlight;
    this.bodyBytes = tenant.limits.bodyBytes;
    this.slug = tenant.slug;
    this.tier = tenant.tier;
    this.synthetic = tenant.synthetic;
    this.owner = owner;
    this.revision = revision;
  }

  /** Its record is another's from now on. */
  leaveRecord(): void {
    this.record = null;
    this.signedWith = null;
    this.line = noLine;
  }

  /** Takes a new assertion: into the record, next to what it was found by, where it fits. */
  sign(line: Buffer, key: SigningKey, usableUntil: number): void {
    this.signedWith = key;
    this.usableUntil = usableUntil;
    if (this.record !== null && line.length <= this.roomTo - this.roomFrom) {
      line.copy(this.record, this.roomFrom);
      this.line = this.record;
      this.lineFrom = this.roomFrom;
      this.lineTo = this.roomFrom + line.length;
    } else {
      this.line = line;
      this.lineFrom = 0;
      this.lineTo = line.length;
    }
  }
}

/**
 * Visitors by the values of their Host and Authorization fields, compared in place. Only who was found the long way, by a host that is remembered and a key that is
 * right, comes in: strangers neither fill it nor choose its hashes.
 */
export class Visitors {
  #young = new Generation();
  #old = new Generation();

  /**
   * @param authorizationAt below 0 where there is none.
   * @returns who was found with these values before. Whether that is still so is for its revision to say.
   */
  find(fields: FieldBlock, hostAt: number, authorizationAt: number): Visitor | undefined {
    const hash = hashOf(fields, hostAt, authorizationAt);
    const young = this.#young.find(hash, fields, hostAt, authorizationAt);
    if (young !== undefined) return young;
    const old = this.#old.find(hash, fields, hostAt, authorizationAt);
    if (old === undefined) return undefined;
    const moved = new Visitor(old.guest, old.caller, old.owner, old.revision);
    this.keep(fields, hostAt, authorizationAt, moved);
    return moved;
  }

  /** Remembers a visitor, in place of who was found with these values before. */
  keep(fields: FieldBlock, hostAt: number, authorizationAt: number, visitor: Visitor): void {
    const authorizationBytes = authorizationAt < 0 ? 0 : fields.valueLength(authorizationAt);
    if (fields.valueLength(hostAt) > longestValue || authorizationBytes > longestValue) return;
    if (this.#young.count >= most) {
      this.#old = this.#young;
      this.#young = new Generation();
    }
    this.#young.put(hashOf(fields, hostAt, authorizationAt), fields, hostAt, authorizationAt, visitor);
  }
}

function hashOf(fields: FieldBlock, hostAt: number, authorizationAt: number): number {
  const hash = fields.valueHash(hostAt);
  return authorizationAt < 0 ? hash : (Math.imul(hash, 31) + fields.valueHash(authorizationAt)) | 0;
}

/** A hash table with open addressing: hash and number of each visitor, and by number its record and itself. */
class Generation {
  readonly #places = new Int32Array(2 * places);
  readonly #visitors: Visitor[] = [];
  readonly #blocks: Buffer[] = [];

  get count(): number {
    return this.#visitors.length;
  }

  find(hash: number, fields: FieldBlock, hostAt: number, authorizationAt: number): Visitor | undefined {
    const number = this.#places[this.#placeOf(hash, fields, hostAt, authorizationAt) + 1] as number;
    return number === 0 ? undefined : this.#visitors[number - 1];
  }

  put(hash: number, fields: FieldBlock, hostAt: number, authorizationAt: number, visitor: Visitor): void {
    const place = this.#placeOf(hash, fields, hostAt, authorizationAt);
    let number = this.#places[place + 1] as number;
    if (number === 0) {
      number = this.#visitors.length + 1;
      this.#places[place] = hash;
      this.#places[place + 1] = number;
      if (this.#visitors.length % recordsPerBlock === 0)
        this.#blocks.push(Buffer.allocUnsafeSlow(recordsPerBlock * recordBytes));
    }
    this.#visitors[number - 1]?.leaveRecord();
    this.#visitors[number - 1] = visitor;
    const block = this.#blockOf(number);
    const at = recordAt(number);
    const host = fields.valueBytes(hostAt);
    const authorization = authorizationAt < 0 ? [] : fields.valueBytes(authorizationAt);
    block[at] = host.length;
    block[at + 1] = authorization.length;
    block.set(host, at + 2);
    block.set(authorization, at + 2 + host.length);
    visitor.record = block;
    visitor.roomFrom = at + 2 + host.length + authorization.length;
    visitor.roomTo = at + recordBytes;
  }

  /** @returns the place of the visitor with these values; else the empty one in which it would be. */
  #placeOf(hash: number, fields: FieldBlock, hostAt: number, authorizationAt: number): number {
    const all = this.#places;
    let place = ((hash ^ (hash >>> 15)) & (places - 1)) * 2;
    for (;;) {
      const number = all[place + 1] as number;
      if (number === 0 || (all[place] === hash && this.#isRecord(number, fields, hostAt, authorizationAt)))
        return place;
      place = (place + 2) & (2 * places - 1);
    }
  }

  #isRecord(number: number, fields: FieldBlock, hostAt: number, authorizationAt: number): boolean {
    const block = this.#blockOf(number);
    const at = recordAt(number);
    const hostFrom = at + 2;
    const hostTo = hostFrom + (block[at] as number);
    const authorizationBytes = block[at + 1] as number;
    if (!fields.valueStands(hostAt, block, hostFrom, hostTo)) return false;
    if (authorizationAt < 0) return authorizationBytes === 0;
    return fields.valueStands(authorizationAt, block, hostTo, hostTo + authorizationBytes);
  }

  #blockOf(number: number): Buffer {
    return this.#blocks[(number - 1) >> blockBits] as Buffer;
  }
}

/** Where in its block the record of a visitor begins. */
function recordAt(number: number): number {
  return ((number - 1) & (recordsPerBlock - 1)) * recordBytes;
}
