import Type, { type Static } from "typebox";
import {
  CellIdSchema,
  EpochSchema,
  KeyIdSchema,
  PartIdSchema,
  RegionSchema,
  ReleaseNameSchema,
  Sha256Schema,
  SlugSchema,
  TenantIdSchema,
  oneOf,
} from "./ids.ts";
import { SlotAddresses, SlotSchema } from "./lease.ts";

/**
 * The fleet document is a set of rows, each under a name `<kind>/<id>`. Its hash is the sum, modulo 2^256, of the SHA-256 of each
 * row's canonical JSON `[name, value]`, so that a change costs the same whatever the document's size.
 */
export const tiers = ["free", "pro", "enterprise", "synthetic"] as const;
export type Tier = (typeof tiers)[number];

export const Limits = Type.Object(
  {
    requestsPerSecond: Type.Integer({ minimum: 1 }),
    inFlight: Type.Integer({ minimum: 1 }),
    bodyBytes: Type.Integer({ minimum: 1 }),
  },
  { additionalProperties: false },
);
export type Limits = Static<typeof Limits>;

export const tenantStates = ["provisioning", "active", "suspended"] as const;
export type TenantState = (typeof tenantStates)[number];

/** Row `tenant/<id>`. */
export const TenantRow = Type.Object(
  {
    id: TenantIdSchema,
    slug: SlugSchema,
    /** Further hosts, each proven by a DNS TXT record. */
    domains: Type.Array(Type.String(), { maxItems: 20 }),
    tier: oneOf(tiers),
    cell: CellIdSchema,
    epoch: EpochSchema,
    state: oneOf(tenantStates),
    /** Why, where the state is `suspended`. */
    reason: Type.Union([Type.String(), Type.Null()]),
    moving: Type.Boolean(),
    synthetic: Type.Boolean(),
    limits: Limits,
  },
  { $id: "TenantRow", additionalProperties: false },
);
export type TenantRow = Static<typeof TenantRow>;

/** Row `key/<digest>`: an API key by the SHA-256 of its text. */
export const KeyRow = Type.Object(
  { digest: Sha256Schema, id: KeyIdSchema, tenant: TenantIdSchema },
  { $id: "KeyRow", additionalProperties: false },
);
export type KeyRow = Static<typeof KeyRow>;

/** Row `cell/<id>`. */
export const CellRow = Type.Object(
  {
    id: CellIdSchema,
    region: RegionSchema,
    cordoned: Type.Boolean(),
    slots: Type.Object({ a: SlotAddresses, b: SlotAddresses }, { additionalProperties: false }),
    /** The live slot as last published: a hint. The cell names the true one in its answers. */
    liveSlot: SlotSchema,
    release: Type.Union([ReleaseNameSchema, Type.Null()]),
  },
  { $id: "CellRow", additionalProperties: false },
);
export type CellRow = Static<typeof CellRow>;

export const partRoles = ["publisher", "control-plane", "worker", "router", "aggregator", "cell"] as const;
export type PartRole = (typeof partRoles)[number];

/** Row `part/<id>`: who is who. A role's power follows from the role: only a cell's key signs release records, and so on. */
export const PartRow = Type.Object(
  {
    id: PartIdSchema,
    role: oneOf(partRoles),
    /** Up to two keys live at once, so that a key can be rotated without a restart. Base64 SubjectPublicKeyInfo, Ed25519. */
    keys: Type.Array(Type.String(), { minItems: 1, maxItems: 4 }),
    /** Admin address of routers, address of aggregator and control plane; null where nobody calls it. */
    url: Type.Union([Type.String(), Type.Null()]),
  },
  { $id: "PartRow", additionalProperties: false },
);
export type PartRow = Static<typeof PartRow>;

/** Row `settings/fleet`. */
export const SettingsRow = Type.Object(
  { baseDomain: Type.String({ minLength: 1 }), application: Type.String() },
  { $id: "SettingsRow", additionalProperties: false },
);
export type SettingsRow = Static<typeof SettingsRow>;

/** (term, n): compared term first. The term rises when a registry is recovered. Never goes back (I3). */
export const Generation = Type.Object(
  { term: Type.Integer({ minimum: 1 }), n: Type.Integer({ minimum: 0 }) },
  { $id: "Generation", additionalProperties: false },
);
export type Generation = Static<typeof Generation>;

const RowName = Type.String({ pattern: "^(tenant|key|cell|part|settings)/.+$" });
const RowHash = Type.String({ pattern: "^[0-9a-f]{64}$" });

export const Snapshot = Type.Object(
  {
    kind: Type.Literal("snapshot"),
    generation: Generation,
    /** Hash of all rows. */
    hash: RowHash,
    rows: Type.Record(RowName, Type.Unknown()),
  },
  { $id: "Snapshot", additionalProperties: false },
);
export type Snapshot = Static<typeof Snapshot>;

export const Delta = Type.Object(
  {
    kind: Type.Literal("delta"),
    from: Generation,
    to: Generation,
    /** Hash of all rows after this delta. */
    hash: RowHash,
    /** Row name → its new value, or null where the row goes. */
    changes: Type.Record(RowName, Type.Unknown()),
  },
  { $id: "Delta", additionalProperties: false },
);
export type Delta = Static<typeof Delta>;

/**
 * What travels and what lies on disk: the canonical bytes of a snapshot or delta as text, and the publisher's Ed25519 signature
 * (base64) over exactly these bytes.
 */
export const Envelope = Type.Object(
  { payload: Type.String(), kid: Type.String(), signature: Type.String() },
  { $id: "Envelope", additionalProperties: false },
);
export type Envelope = Static<typeof Envelope>;

/**
 * The feed: `GET /v1/fleet/snapshot` answers an Envelope of a Snapshot; `GET /v1/fleet/stream?term=&n=` is a Server-Sent Events stream with
 * events `delta` (data: Envelope of a Delta, in order, beginning after (term, n)), `reset` (data: {}: fetch the snapshot) and `check`
 * (data: FleetCheck, at least every 5 s, also when nothing changed).
 */
export const FleetCheck = Type.Object(
  { generation: Generation, hash: RowHash },
  { $id: "FleetCheck", additionalProperties: false },
);
export type FleetCheck = Static<typeof FleetCheck>;
