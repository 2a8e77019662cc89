import { hash } from "node:crypto";
import type { KeyRow, TenantRow } from "../../common/contracts/fleet.ts";
import type { RoutingTable } from "../table/table.ts";
import type { FieldBlock } from "../wire/field-block.ts";
import type { Kept } from "./kept.ts";
import { KnownFields } from "./known-fields.ts";

const usual = /^Bearer cpk_[^ ]*$/;
const bearer = /^bearer +(cpk_[A-Za-z0-9_-]{1,200}) *$/i;

/**
 * The digest of the API key in an Authorization field: SHA-256, lower-case hex. Null where the field holds something else, which is then
 * the application's own business. A key is taken from this field alone, never from a URL, which ends up in logs and histories.
 */
export function keyDigestOf(authorization: string): string | null {
  const key = bearer.exec(authorization)?.[1];
  return key === undefined ? null : hash("sha256", key, "hex");
}

/** Whether the field looks like an API key of ours; a malformed one is refused too, and never passed on. */
export function looksLikeKey(authorization: string): boolean {
  return /\bcpk_/i.test(authorization);
}

/** Keys that are remembered, about 400 bytes each: more than are in use at once. */
const maxKept = 20_000;

interface KnownKey extends Kept {
  readonly digest: string;
  /** Of the table in which the row was found. */
  revision: number;
  row: KeyRow;
  /** The row of its tenant in that table: one comparison tells whether it is the Host's. */
  tenant: TenantRow | undefined;
}

/** Whether a key is this tenant's. */
export function isKeyOf(key: KnownKey, tenant: TenantRow): boolean {
  return key.tenant === tenant || key.row.tenant === tenant.id;
}

/** What an Authorization field holds: no key of ours, a key of the table, or one that is not in it. */
export type Bearer =
  | { readonly kind: "none" | "unknown" | "malformed" }
  | { readonly kind: "key"; readonly key: KnownKey };

type FoundKey = Extract<Bearer, { readonly kind: "key" }>;

const none: Bearer = { kind: "none" };
const unknown: Bearer = { kind: "unknown" };
const malformed: Bearer = { kind: "malformed" };

/**
 * Finds the key of an Authorization field. Hashing costs as much as all else that a key needs: the digest of a field that held a right key is
 * remembered, and its row until the table is another. So a revoked key is looked up again, and not found. It is never printed.
 */
export class Keys {
  readonly #table: RoutingTable;
  readonly #known = new KnownFields<FoundKey>(maxKept);
  /** By digest: one for all spellings of a field, so that its assertion is signed once. */
  readonly #byDigest = new Map<string, FoundKey>();

  constructor(table: RoutingTable) {
    this.#table = table;
  }

  /** @param index of the Authorization field in the block; below 0 where there is none. */
  bearerAt(fields: FieldBlock, index: number): Bearer {
    if (index < 0) return none;
    const known = this.#known.find(fields, index);
    return known === undefined ? this.#meet(fields, index) : this.#refreshed(known);
  }

  /** Whether this spelling of a right key is remembered. */
  remembers(fields: FieldBlock, index: number): boolean {
    return this.#known.find(fields, index) !== undefined;
  }

  #refreshed(known: FoundKey): Bearer {
    const { key } = known;
    if (key.revision === this.#table.revision) return known;
    const row = this.#table.keyOf(key.digest);
    if (row === undefined) return unknown;
    key.row = row;
    key.tenant = this.#table.tenant(row.tenant);
    key.revision = this.#table.revision;
    return known;
  }

  #meet(fields: FieldBlock, index: number): Bearer {
    const authorization = fields.value(index);
    if (!looksLikeKey(authorization)) return none;
    const digest = keyDigestOf(authorization);
    if (digest === null) return malformed;
    const before = this.#byDigest.get(digest);
    if (before !== undefined) return this.#keep(fields, index, authorization, this.#refreshed(before));
    const row = this.#table.keyOf(digest);
    if (row === undefined) return unknown;
    const { revision } = this.#table;
    const key = { digest, revision, row, tenant: this.#table.tenant(row.tenant), assertion: null };
    const found = { kind: "key", key } as const;
    if (this.#byDigest.size >= 2 * maxKept) this.#byDigest.clear();
    this.#byDigest.set(digest, found);
    return this.#keep(fields, index, authorization, found);
  }

  /** Only the usual spelling is remembered: whoever makes up others pushes out nobody. */
  #keep(fields: FieldBlock, index: number, authorization: string, found: Bearer): Bearer {
    if (found.kind === "key" && usual.test(authorization)) this.#known.keep(fields, index, found);
    return found;
  }
}
