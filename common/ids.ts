/**
 * Every identifier of Cellplane, branded, from one place: a `CellId` cannot be passed where a `TenantId` is wanted.
 * The brand exists in types only; at run time an id is its string.
 */
declare const brand: unique symbol;
export type Branded<Name extends string> = string & { readonly [brand]: Name };

/** A cell's name, e.g. `cell-1`. Chosen by the operator, stable for the cell's whole life. */
export type CellId = Branded<"CellId">;
/** UUIDv7 of a tenant. */
export type TenantId = Branded<"TenantId">;
/** UUIDv7 of an operation (rollout, move, …). */
export type OperationId = Branded<"OperationId">;
/** UUIDv7 of an API key; the key itself is never an id. */
export type KeyId = Branded<"KeyId">;
/** A running part, e.g. `router-1`, `control-plane`, `cell-2`. */
export type PartId = Branded<"PartId">;
/** Name of a release: application, `@`, version; e.g. `pulse@2`. */
export type ReleaseName = Branded<"ReleaseName">;

export const patterns = {
  cell: "^[a-z][a-z0-9-]{0,30}[a-z0-9]$",
  /** A DNS label: a tenant's slug is the first label of its host. */
  slug: "^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$",
  uuid: "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
  application: "^[a-z][a-z0-9-]{0,30}$",
  release: "^[a-z][a-z0-9-]{0,30}@[0-9][0-9a-z.-]{0,30}$",
  region: "^[a-z][a-z0-9-]{0,30}$",
  part: "^[a-z][a-z0-9-]{0,62}$",
  sha256: "^[0-9a-f]{64}$",
} as const;

const shapes: Record<keyof typeof patterns, RegExp> = {
  cell: new RegExp(patterns.cell),
  slug: new RegExp(patterns.slug),
  uuid: new RegExp(patterns.uuid),
  application: new RegExp(patterns.application),
  release: new RegExp(patterns.release),
  region: new RegExp(patterns.region),
  part: new RegExp(patterns.part),
  sha256: new RegExp(patterns.sha256),
};

/** Whether `text` has the shape of that kind of name. */
export function matches(kind: keyof typeof patterns, text: string): boolean {
  return shapes[kind].test(text);
}

function parse<T extends string>(kind: keyof typeof patterns, text: string): T {
  if (!matches(kind, text)) throw new TypeError(`not a ${kind}: ${JSON.stringify(text.slice(0, 80))}`);
  return text as T;
}

/** @throws TypeError when the text has not the shape of such an id; so do the parsers below. */
export const cellId = (text: string): CellId => parse<CellId>("cell", text);
export const tenantId = (text: string): TenantId => parse<TenantId>("uuid", text);
export const operationId = (text: string): OperationId => parse<OperationId>("uuid", text);
export const keyId = (text: string): KeyId => parse<KeyId>("uuid", text);
export const partId = (text: string): PartId => parse<PartId>("part", text);
export const releaseName = (text: string): ReleaseName => parse<ReleaseName>("release", text);

/** `pulse@2` → its application and version. */
export function splitRelease(name: ReleaseName): { readonly application: string; readonly version: string } {
  const at = name.indexOf("@");
  return { application: name.slice(0, at), version: name.slice(at + 1) };
}
