import Type, { type Static } from "typebox";
import { Generation } from "./fleet.ts";
import { Sha256Schema, oneOf } from "./ids.ts";

/** How Route 53 chooses among the records of one name. */
export const DnsRouting = Type.Union([
  Type.Object(
    { kind: Type.Literal("weighted"), weight: Type.Integer({ minimum: 0, maximum: 255 }) },
    { additionalProperties: false },
  ),
  Type.Object(
    { kind: Type.Literal("failover"), role: oneOf(["PRIMARY", "SECONDARY"] as const) },
    { additionalProperties: false },
  ),
]);

/** Addresses, or another name of the same zone; `takesHealth`: the alias fails when all records of that name do. */
export const DnsTarget = Type.Union([
  Type.Object(
    {
      kind: Type.Literal("addresses"),
      ttlSeconds: Type.Integer({ minimum: 1 }),
      values: Type.Array(Type.String(), { minItems: 1 }),
    },
    { additionalProperties: false },
  ),
  Type.Object(
    { kind: Type.Literal("alias"), name: Type.String(), takesHealth: Type.Boolean() },
    { additionalProperties: false },
  ),
]);

/** One record of ours. Names are lower case, without the final dot. The identifier is unique in the zone and begins with `cellplane/`. */
export const DnsRecord = Type.Object(
  {
    name: Type.String(),
    type: oneOf(["A", "AAAA"] as const),
    identifier: Type.String({ maxLength: 128 }),
    routing: DnsRouting,
    target: DnsTarget,
    /** Reference of the health check that takes the record out; null for none. */
    healthCheck: Type.Union([Type.String(), Type.Null()]),
  },
  { $id: "DnsRecord", additionalProperties: false },
);
export type DnsRecord = Static<typeof DnsRecord>;

/** A health check. Its reference is a digest of all the rest, so that a changed check is another one. */
export const DnsHealthCheck = Type.Object(
  {
    reference: Type.String({ maxLength: 64 }),
    address: Type.String(),
    port: Type.Integer({ minimum: 1, maximum: 65_535 }),
    path: Type.String(),
    intervalSeconds: Type.Union([Type.Literal(10), Type.Literal(30)]),
    failures: Type.Integer({ minimum: 1, maximum: 10 }),
  },
  { $id: "DnsHealthCheck", additionalProperties: false },
);
export type DnsHealthCheck = Static<typeof DnsHealthCheck>;

export const DnsChange = Type.Object(
  {
    action: oneOf(["UPSERT", "DELETE"] as const),
    record: DnsRecord,
    why: oneOf(["missing", "differs", "not-wanted"] as const),
  },
  { additionalProperties: false },
);
export type DnsChange = Static<typeof DnsChange>;

/** What the zone says about the last plan applied to it. */
export const DnsMarker = Type.Object(
  {
    fleet: Type.String(),
    generation: Generation,
    /** Rises with each batch: no two markers are alike. */
    serial: Type.Integer({ minimum: 1 }),
    plan: Type.String(),
    /** `applying`: some batches of the plan are still to come, or never came. */
    state: oneOf(["applying", "applied"] as const),
  },
  { additionalProperties: false },
);
export type DnsMarker = Static<typeof DnsMarker>;

/** `GET /v1/dns/plan`. */
export const DnsPlan = Type.Object(
  {
    fleet: Type.String(),
    baseDomain: Type.String(),
    generation: Generation,
    /** Digest of the wanted records and health checks: the same whatever the zone holds. */
    hash: Sha256Schema,
    records: Type.Array(DnsRecord),
    healthChecks: Type.Array(DnsHealthCheck),
    /** False when the zone could not be read (no zone configured, no credentials): then all records count as missing. */
    zoneRead: Type.Boolean(),
    /** What the zone was last brought to; null for nothing yet. */
    applied: Type.Union([DnsMarker, Type.Null()]),
    changes: Type.Array(DnsChange),
    /** How the changes are cut: each inner list is one atomic batch of indices into `changes`. */
    batches: Type.Array(Type.Array(Type.Integer({ minimum: 0 }))),
    healthChecksToCreate: Type.Array(Type.String()),
    healthChecksToDelete: Type.Array(Type.String()),
    /** Changes that are needed although this very plan was applied: somebody else changed the records. */
    drift: Type.Array(DnsChange),
    /** Names that somebody else's records occupy; while there are any, nothing is applied. */
    conflicts: Type.Array(Type.Object({ name: Type.String(), type: Type.String() }, { additionalProperties: false })),
  },
  { $id: "DnsPlan", additionalProperties: false },
);
export type DnsPlan = Static<typeof DnsPlan>;

/** `POST /v1/dns/apply`: the hash of the plan that was looked at; left out, whatever is planned now. */
export const ApplyDns = Type.Object(
  { planHash: Type.Optional(Sha256Schema), reason: Type.Optional(Type.String({ maxLength: 500 })) },
  { $id: "ApplyDns", additionalProperties: false },
);
export type ApplyDns = Static<typeof ApplyDns>;

export const DnsApplied = Type.Object(
  {
    marker: DnsMarker,
    batches: Type.Integer({ minimum: 0 }),
    upserted: Type.Integer({ minimum: 0 }),
    deleted: Type.Integer({ minimum: 0 }),
    healthChecksCreated: Type.Integer({ minimum: 0 }),
    healthChecksDeleted: Type.Integer({ minimum: 0 }),
    /** Requests that Route 53 throttled or that had to wait for an earlier one. */
    retries: Type.Integer({ minimum: 0 }),
  },
  { $id: "DnsApplied", additionalProperties: false },
);
export type DnsApplied = Static<typeof DnsApplied>;
