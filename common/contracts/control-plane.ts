import Type, { type Static } from "typebox";
import {
  CellIdSchema,
  EpochSchema,
  KeyIdSchema,
  OperationIdSchema,
  PartIdSchema,
  RegionSchema,
  ReleaseNameSchema,
  Sha256Schema,
  SlugSchema,
  TenantIdSchema,
  TimestampSchema,
  oneOf,
} from "./ids.ts";
import { Alarm } from "./cell-admin.ts";
import { Generation, Limits, partRoles, tenantStates } from "./fleet.ts";
import { SlotAddresses, SlotSchema } from "./lease.ts";
import { Release } from "./release.ts";
import { commandDetails, Rollout, rolloutCommands } from "./rollout.ts";
import { RolloutPolicy } from "./rollout-policy.ts";

/**
 * The control plane's API (port 8081; bearer: an operator's token `cpo_…`, or the dashboard's session cookie). Roles viewer < operator < admin.
 *   POST /v1/sign-in-codes → code (operator's token only) · POST /v1/sessions {code} → cookie; DELETE /v1/sessions · GET /v1/whoami
 *   GET|POST /v1/tenants · GET /v1/tenants/:slug · POST /v1/tenants/:slug/suspend|resume · POST /v1/tenants/:slug/keys · DELETE /v1/tenants/:slug/keys/:id
 *   GET /v1/tenants/:slug/jobs[/:id] · POST /v1/tenants/:slug/jobs[/:id]/replay · POST /v1/tenants/:slug/jobs/:id/discard  (contracts/jobs.ts)
 *   GET /v1/tenants/:slug/placement  (explain) · POST /v1/placements/what-if
 *   GET|POST /v1/cells · GET|PATCH /v1/cells/:cell
 *   GET /v1/cells/:cell/lives · POST /v1/cells/:cell/restores · POST /v1/cells/:cell/lives/:incarnation/report  (contracts/restores.ts)
 *   POST /v1/tenants/:slug/restores · POST /v1/tenants/:slug/follow
 *   GET|PUT /v1/parts[/:id]
 *   GET /v1/releases[/:name] · PUT /v1/blobs/:digest · HEAD /v1/blobs/:digest · GET /v1/blobs/:digest · POST /v1/releases (manifest)
 *   POST /v1/rollouts/plans · GET /v1/rollouts/plans/:hash · GET /v1/rollouts/:id/explain · POST /v1/rollouts/:id/what-if
 *   GET|POST /v1/rollouts · GET /v1/rollouts/latest|:id · POST /v1/rollouts/:id/commands · PUT /v1/cells/:cell/maintenance
 *   GET /v1/dns/plan · POST /v1/dns/apply
 *   GET /v1/query/:name (passed on to the aggregator) · GET /v1/overview (the dashboard's: cells, health, rollout, tenants)
 *   GET /v1/audit · GET /v1/audit/verification
 *   GET /v1/fleet/snapshot · GET /v1/fleet/stream    (bearer: command token of a part, audience `control-plane`)
 *   GET /v1/events  (SSE for the dashboard: `rollout`, `cell`, `tenant` changed)
 * Errors are problem+json. The dashboard is served at `/`.
 */
export const customerTiers = ["free", "pro", "enterprise"] as const;
export type CustomerTier = (typeof customerTiers)[number];

/** Default limits of each tier. */
export const tierLimits: Readonly<Record<CustomerTier | "synthetic", Limits>> = {
  free: { requestsPerSecond: 100, inFlight: 50, bodyBytes: 1_048_576 },
  pro: { requestsPerSecond: 500, inFlight: 200, bodyBytes: 1_048_576 },
  enterprise: { requestsPerSecond: 2000, inFlight: 500, bodyBytes: 1_048_576 },
  synthetic: { requestsPerSecond: 500, inFlight: 100, bodyBytes: 1_048_576 },
};

export const CreateTenant = Type.Object(
  {
    slug: SlugSchema,
    tier: oneOf(customerTiers),
    /** Residency: only cells of this region may hold it. */
    region: Type.Optional(RegionSchema),
  },
  { $id: "CreateTenant", additionalProperties: false },
);
export type CreateTenant = Static<typeof CreateTenant>;

export const Tenant = Type.Object(
  {
    id: TenantIdSchema,
    slug: SlugSchema,
    host: Type.String(),
    tier: Type.String(),
    region: Type.Union([RegionSchema, Type.Null()]),
    cell: CellIdSchema,
    epoch: EpochSchema,
    state: oneOf(tenantStates),
    reason: Type.Union([Type.String(), Type.Null()]),
    synthetic: Type.Boolean(),
    limits: Limits,
    createdAt: TimestampSchema,
    keys: Type.Array(Type.Object({ id: KeyIdSchema, createdAt: TimestampSchema }, { additionalProperties: false })),
  },
  { $id: "Tenant", additionalProperties: false },
);
export type Tenant = Static<typeof Tenant>;

/** The answer to a creation; the key is shown this once. On a repeated call for a tenant that is not served yet the key is made anew. */
export const CreatedTenant = Type.Object(
  {
    id: TenantIdSchema,
    slug: SlugSchema,
    host: Type.String(),
    tier: Type.String(),
    cell: CellIdSchema,
    key: Type.String(),
    explanation: Type.String(),
  },
  { $id: "CreatedTenant", additionalProperties: false },
);
export type CreatedTenant = Static<typeof CreatedTenant>;

export const RegisterCell = Type.Object(
  {
    id: CellIdSchema,
    region: RegionSchema,
    slots: Type.Object({ a: SlotAddresses, b: SlotAddresses }, { additionalProperties: false }),
    liveSlot: SlotSchema,
    release: ReleaseNameSchema,
    /** Base64 SubjectPublicKeyInfo of the cell's key. */
    publicKey: Type.String(),
    capacity: Type.Object(
      {
        requestsPerSecond: Type.Integer({ minimum: 1 }),
        tenants: Type.Integer({ minimum: 1 }),
        storageBytes: Type.Integer({ minimum: 1 }),
      },
      { additionalProperties: false },
    ),
  },
  { $id: "RegisterCell", additionalProperties: false },
);
export type RegisterCell = Static<typeof RegisterCell>;

export const cellHealth = ["healthy", "degraded", "down", "unknown"] as const;
export const Cell = Type.Object(
  {
    id: CellIdSchema,
    region: RegionSchema,
    cordoned: Type.Boolean(),
    liveSlot: SlotSchema,
    release: Type.Union([ReleaseNameSchema, Type.Null()]),
    tenants: Type.Integer(),
    health: oneOf(cellHealth),
    problems: Type.Array(Type.String()),
    /** What a person should look at although the cell serves, e.g. dead letters. */
    alarms: Type.Optional(Type.Array(Alarm)),
    checkedAt: Type.Union([TimestampSchema, Type.Null()]),
    slots: Type.Object({ a: SlotAddresses, b: SlotAddresses }, { additionalProperties: false }),
  },
  { $id: "Cell", additionalProperties: false },
);
export type Cell = Static<typeof Cell>;

export const RegisterPart = Type.Object(
  {
    role: oneOf(partRoles),
    keys: Type.Array(Type.String(), { minItems: 1, maxItems: 4 }),
    url: Type.Union([Type.String(), Type.Null()]),
  },
  { $id: "RegisterPart", additionalProperties: false },
);
export type RegisterPart = Static<typeof RegisterPart>;
export const Part = Type.Object(
  {
    id: PartIdSchema,
    role: oneOf(partRoles),
    keys: Type.Array(Type.String()),
    url: Type.Union([Type.String(), Type.Null()]),
  },
  { $id: "Part", additionalProperties: false },
);
export type Part = Static<typeof Part>;

export const StartRollout = Type.Object(
  {
    release: ReleaseNameSchema,
    policy: Type.Optional(Type.Partial(RolloutPolicy)),
    reason: Type.Optional(Type.String()),
    /** Hash of a stored plan of this release: exactly that is carried out, or it is refused where the fleet has changed since. */
    plan: Type.Optional(Sha256Schema),
  },
  { $id: "StartRollout", additionalProperties: false },
);
export type StartRollout = Static<typeof StartRollout>;

export const RolloutCommandRequest = Type.Object(
  {
    command: oneOf(rolloutCommands),
    reason: Type.Optional(Type.String({ maxLength: 500 })),
    planHash: Type.Optional(Type.String()),
    revision: Type.Optional(Type.Integer()),
    ...commandDetails,
  },
  { $id: "RolloutCommandRequest", additionalProperties: false },
);
export type RolloutCommandRequest = Static<typeof RolloutCommandRequest>;

export const roles = ["viewer", "operator", "admin"] as const;
export type Role = (typeof roles)[number];

export const AuditEntry = Type.Object(
  {
    sequence: Type.Integer(),
    at: TimestampSchema,
    actor: Type.String(),
    action: Type.String(),
    target: Type.String(),
    outcome: oneOf(["done", "refused"] as const),
    reason: Type.Union([Type.String(), Type.Null()]),
    operation: Type.Union([OperationIdSchema, Type.Null()]),
    hash: Type.String(),
  },
  { $id: "AuditEntry", additionalProperties: false },
);
export type AuditEntry = Static<typeof AuditEntry>;

/** `POST /v1/sessions`: the one-time code that `npm start` shows. The answer is Whoami, with the cookie. */
export const CreateSession = Type.Object(
  { code: Type.String({ minLength: 1, maxLength: 200 }) },
  { $id: "CreateSession", additionalProperties: false },
);
export type CreateSession = Static<typeof CreateSession>;

/** `GET /v1/whoami`. */
export const Whoami = Type.Object(
  { actor: Type.String(), role: oneOf(roles) },
  { $id: "Whoami", additionalProperties: false },
);
export type Whoami = Static<typeof Whoami>;

/** `POST /v1/tenants/:slug/keys`; the key is shown this once. */
export const CreatedKey = Type.Object(
  { id: KeyIdSchema, key: Type.String() },
  { $id: "CreatedKey", additionalProperties: false },
);
export type CreatedKey = Static<typeof CreatedKey>;

/** Body of `POST /v1/tenants/:slug/suspend` and `resume`. */
export const SuspendTenant = Type.Object(
  { reason: Type.Optional(Type.String({ maxLength: 500 })) },
  { $id: "SuspendTenant", additionalProperties: false },
);
export type SuspendTenant = Static<typeof SuspendTenant>;

/** Answers of the lists: `GET /v1/tenants`, `/v1/cells`, `/v1/releases`, `/v1/rollouts` (latest first), `/v1/audit` (latest first). */
export const TenantList = Type.Object(
  { tenants: Type.Array(Tenant) },
  { $id: "TenantList", additionalProperties: false },
);
export type TenantList = Static<typeof TenantList>;
export const CellList = Type.Object({ cells: Type.Array(Cell) }, { $id: "CellList", additionalProperties: false });
export type CellList = Static<typeof CellList>;
export const ReleaseList = Type.Object(
  { releases: Type.Array(Release) },
  { $id: "ReleaseList", additionalProperties: false },
);
export type ReleaseList = Static<typeof ReleaseList>;
export const RolloutList = Type.Object(
  { rollouts: Type.Array(Rollout) },
  { $id: "RolloutList", additionalProperties: false },
);
export type RolloutList = Static<typeof RolloutList>;
export const AuditList = Type.Object(
  { entries: Type.Array(AuditEntry) },
  { $id: "AuditList", additionalProperties: false },
);
export type AuditList = Static<typeof AuditList>;

/** Whether something that the control plane talks to answers; `unknown` where it has not asked yet. */
export const reachability = ["up", "down", "unknown"] as const;
/** `missing`: this fleet was started without Temporal, so that rollouts are refused. */
export const temporalStates = ["reachable", "unreachable", "missing"] as const;

/** `GET /v1/overview`: what the dashboard's first page shows, in one answer. */
export const Overview = Type.Object(
  {
    at: TimestampSchema,
    application: Type.String(),
    baseDomain: Type.String(),
    generation: Generation,
    temporal: oneOf(temporalStates),
    cells: Type.Array(Cell),
    /** The running rollout, else the latest; null where there was none yet. */
    rollout: Type.Union([Rollout, Type.Null()]),
    /** Customers' tenants; synthetic ones are left out. */
    tenants: Type.Object(
      {
        total: Type.Integer({ minimum: 0 }),
        /** Tier → count, state → count; a word without tenants may be absent. */
        byTier: Type.Record(Type.String(), Type.Integer({ minimum: 0 })),
        byState: Type.Record(Type.String(), Type.Integer({ minimum: 0 })),
      },
      { additionalProperties: false },
    ),
    /** Routers, aggregator, worker and control plane as registered. */
    parts: Type.Array(
      Type.Object(
        {
          id: PartIdSchema,
          role: oneOf(partRoles),
          url: Type.Union([Type.String(), Type.Null()]),
          state: oneOf(reachability),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { $id: "Overview", additionalProperties: false },
);
export type Overview = Static<typeof Overview>;

/** Names of the events of `GET /v1/events` (SSE); data: ChangeEvent. The reader asks again for what it shows. */
export const changeEvents = ["rollout", "cell", "tenant", "release"] as const;
export const ChangeEvent = Type.Object(
  { kind: oneOf(changeEvents), id: Type.String(), at: TimestampSchema },
  { $id: "ChangeEvent", additionalProperties: false },
);
export type ChangeEvent = Static<typeof ChangeEvent>;

/** `POST /v1/sign-in-codes` (bearer: an operator's token): a code that works once, for `POST /v1/sessions`. */
export const SignInCode = Type.Object(
  { code: Type.String(), expiresAt: TimestampSchema },
  { $id: "SignInCode", additionalProperties: false },
);
export type SignInCode = Static<typeof SignInCode>;

/** Body of `PATCH /v1/cells/:cell`. */
export const PatchCell = Type.Object(
  { cordoned: Type.Boolean(), reason: Type.Optional(Type.String({ maxLength: 500 })) },
  { $id: "PatchCell", additionalProperties: false },
);
export type PatchCell = Static<typeof PatchCell>;

export const PartList = Type.Object({ parts: Type.Array(Part) }, { $id: "PartList", additionalProperties: false });
export type PartList = Static<typeof PartList>;

/** `GET /v1/blobs/:digest` as HEAD has it, and the answer to `PUT`. */
export const Blob = Type.Object(
  { digest: Sha256Schema, bytes: Type.Integer({ minimum: 0 }) },
  { $id: "Blob", additionalProperties: false },
);
export type Blob = Static<typeof Blob>;

/** Where a tenant is, or would be, and why: `GET /v1/tenants/:slug/placement`, `POST /v1/placements/what-if`. */
export const Placement = Type.Object(
  {
    tenant: Type.Union([SlugSchema, Type.Null()]),
    /** Null where no cell fits. */
    cell: Type.Union([CellIdSchema, Type.Null()]),
    /** For a person: one line a cell, best first. */
    explanation: Type.String(),
    /** For a program: each cell's score, or why it is excluded (control-plane/placement/decision.ts). */
    candidates: Type.Array(Type.Unknown()),
  },
  { $id: "Placement", additionalProperties: false },
);
export type Placement = Static<typeof Placement>;

/** Body of `POST /v1/placements/what-if`. */
export const WhatIf = Type.Object(
  {
    tier: oneOf(customerTiers),
    region: Type.Optional(RegionSchema),
    strategy: Type.Optional(oneOf(["tenant", "hash", "geographic", "random", "hybrid", "dedicated"] as const)),
  },
  { $id: "WhatIf", additionalProperties: false },
);
export type WhatIf = Static<typeof WhatIf>;

/** `GET /v1/audit/verification`: whether the chain of hashes holds, and where it breaks if not. */
export const AuditVerification = Type.Object(
  {
    intact: Type.Boolean(),
    brokenAt: Type.Union([Type.Integer(), Type.Null()]),
    why: Type.Union([oneOf(["missing", "changed", "head"] as const), Type.Null()]),
  },
  { $id: "AuditVerification", additionalProperties: false },
);
export type AuditVerification = Static<typeof AuditVerification>;
