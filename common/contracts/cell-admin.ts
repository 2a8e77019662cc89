import Type, { type Static } from "typebox";
import {
  CellIdSchema,
  EpochSchema,
  OperationIdSchema,
  ReleaseNameSchema,
  Sha256Schema,
  TenantIdSchema,
  TimestampSchema,
  oneOf,
} from "./ids.ts";
import { SlotSchema, leaseStates } from "./lease.ts";

/**
 * The cell's admin API (its own port, every call with a command token whose audience is the cell's id; roles `control-plane` and `worker`):
 *   GET  /healthz · GET /readyz                 no token
 *   GET  /v1/status                             CellStatus
 *   GET  /v1/leases                             { leases: Lease[] }
 *   GET  /v1/leases/:tenant                     Lease (404 `no-lease` when there is none: the cell's own word that it holds none)
 *   PUT  /v1/leases/:tenant                     GrantLease → Lease; idempotent; refused when the cell's row is at a higher epoch, or refused before
 *   POST /v1/leases/:tenant/refuse              { epoch } → the cell holds no lease and will refuse this grant for ever
 *   POST /v1/leases/:tenant/suspend | resume    { reason? } → Lease
 *   POST /v1/slot                               SwitchSlot → CellStatus; compare-and-set on `from`
 *   GET  /v1/samples                            CellSamples
 *   GET  /v1/aggregates/:name?from=&to=         AggregateAnswer (aggregator's fan-out; role `aggregator`)
 *   POST /v1/replay                             the shipper sends all rollups again (aggregator rebuilt from zero)
 */
export const Lease = Type.Object(
  {
    tenant: TenantIdSchema,
    state: oneOf(leaseStates),
    epoch: EpochSchema,
    suspended: Type.Boolean(),
    reason: Type.Union([Type.String(), Type.Null()]),
    slug: Type.String(),
    tier: Type.String(),
    synthetic: Type.Boolean(),
    operation: Type.Union([OperationIdSchema, Type.Null()]),
    attempt: Type.Integer({ minimum: 0 }),
    freeze: Type.Union([Type.String(), Type.Null()]),
  },
  { $id: "Lease", additionalProperties: false },
);
export type Lease = Static<typeof Lease>;

/** First placement: epoch 1. Slug and tier are kept as labels, so that the registry can be rebuilt from the cells. */
export const GrantLease = Type.Object(
  { epoch: EpochSchema, slug: Type.String(), tier: Type.String(), synthetic: Type.Boolean() },
  { $id: "GrantLease", additionalProperties: false },
);
export type GrantLease = Static<typeof GrantLease>;

export const SwitchSlot = Type.Object(
  { from: SlotSchema, to: SlotSchema, token: Type.Optional(Type.Integer()) },
  { $id: "SwitchSlot", additionalProperties: false },
);
export type SwitchSlot = Static<typeof SwitchSlot>;

/** `standby`: never live in this life, serves the synthetic tenant only. `draining`: was live, still serves, names the live slot. */
export const slotPhases = ["standby", "live", "draining"] as const;

export const CellStatus = Type.Object(
  {
    cell: CellIdSchema,
    slot: SlotSchema,
    liveSlot: SlotSchema,
    phase: oneOf(slotPhases),
    release: ReleaseNameSchema,
    digest: Sha256Schema,
    ready: Type.Boolean(),
    /** What keeps it from being ready; empty when ready. */
    problems: Type.Array(Type.String()),
    incarnation: Type.String(),
    schema: Type.Object({ kit: Type.Integer(), app: Type.Integer() }, { additionalProperties: false }),
    tenants: Type.Integer(),
    /** Open tenant connections and requests of this process. */
    connections: Type.Integer(),
    inFlight: Type.Integer(),
    queue: Type.Object(
      { outbox: Type.Integer(), oldestSeconds: Type.Number(), dead: Type.Integer() },
      { additionalProperties: false },
    ),
    fleetGeneration: Type.Union([Type.Object({ term: Type.Integer(), n: Type.Integer() }), Type.Null()]),
    startedAt: TimestampSchema,
  },
  { $id: "CellStatus", additionalProperties: false },
);
export type CellStatus = Static<typeof CellStatus>;

/** An aggregate's answer for one cell, one row a tenant; `value` is a plain number or the JSON of a mergeable sketch. */
export const AggregateAnswer = Type.Object(
  {
    cell: CellIdSchema,
    incarnation: Type.String(),
    name: Type.String(),
    asOf: TimestampSchema,
    rows: Type.Array(
      Type.Object(
        { tenant: TenantIdSchema, epoch: EpochSchema, slug: Type.String(), tier: Type.String(), value: Type.Unknown() },
        { additionalProperties: false },
      ),
    ),
  },
  { $id: "AggregateAnswer", additionalProperties: false },
);
export type AggregateAnswer = Static<typeof AggregateAnswer>;
