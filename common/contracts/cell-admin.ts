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
import { SlotAddresses, SlotSchema, leaseStates } from "./lease.ts";
import { mergeKinds } from "./rollups.ts";

/**
 * The cell's admin API (its own port, every call with a command token whose audience is the cell's id; roles `control-plane` and `worker`):
 *   GET  /healthz · GET /readyz                 no token
 *   GET  /v1/status                             CellStatus
 *   GET  /v1/leases                             { leases: Lease[] }
 *   GET  /v1/leases/:tenant                     Lease (404 `no-lease` when there is none: the cell's own word that it holds none)
 *   PUT  /v1/leases/:tenant                     GrantLease → Lease; idempotent; refused when the cell's row is at a higher epoch, or refused before
 *   POST /v1/leases/:tenant/refuse              { epoch } → the cell holds no lease and will refuse this grant for ever
 *   POST /v1/leases/:tenant/suspend | resume    { reason? } → Lease
 *   GET  /v1/incarnation                        Incarnation: which life the database is in, and how many leases await the registry's word
 *   POST /v1/incarnation/confirm                ConfirmLeases → Incarnation; may be called in parts and again
 *   of a move, at the owner:
 *   POST /v1/leases/:tenant/attempt             { operation } → Lease with the next attempt; thaws what an older one froze; a released lease is answered as it is
 *   POST /v1/leases/:tenant/freeze              LeaseStep → Lease, frozen for at most 3 s; 503 `lease-busy` when its writers do not let go within 250 ms
 *   POST /v1/leases/:tenant/thaw                FreezeStep → Lease; a released lease is answered as it is
 *   POST /v1/leases/:tenant/release             ReleaseLease → Lease, released, with its record: the one commit of a move
 *   of a move, at the destination:
 *   POST /v1/leases/:tenant/import              ImportLease → Lease, importing
 *   POST /v1/leases/:tenant/ready               ReadyLease → Lease, ready for the release under that freeze
 *   POST /v1/leases/:tenant/abort               LeaseStep → { lease: Lease | null }: what is held now, a tombstone or nothing
 *   POST /v1/leases/:tenant/activate            { record } → Lease, active at the record's epoch; a request that bears the record does the same
 *   GET|POST /v1/tenants/:tenant/jobs…           a tenant's queue and dead letters (contracts/jobs.ts)
 *   GET  /metrics                               Prometheus' text format; no token
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
    /** When a frozen tenant thaws by itself, by the clock of the cell's database. */
    freezeDeadline: Type.Optional(Type.Union([TimestampSchema, Type.Null()])),
    /** The signed word that the tenant was given away; also while a tombstone gives way to an import. */
    releaseRecord: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    /** The cell that an import comes from. */
    source: Type.Optional(Type.Union([CellIdSchema, Type.Null()])),
    /** The life of the cell's database that it belongs to; of another than the present one it awaits the registry's word. */
    incarnation: Type.Optional(Type.String()),
  },
  { $id: "Lease", additionalProperties: false },
);
export type Lease = Static<typeof Lease>;

const FreezeId = Type.String({ minLength: 1, maxLength: 64 });
const step = { operation: OperationIdSchema, attempt: Type.Integer({ minimum: 1 }) };

/** Which try of which operation acts. Each try takes its number from the owner's lease first, and keeps it. */
export const LeaseStep = Type.Object(step, { $id: "LeaseStep", additionalProperties: false });
export type LeaseStep = Static<typeof LeaseStep>;

export const FreezeStep = Type.Object(
  { ...step, freeze: FreezeId },
  { $id: "FreezeStep", additionalProperties: false },
);
export type FreezeStep = Static<typeof FreezeStep>;

/** Gives the tenant away; the addresses go into the record, so that a router finds a cell that its document does not know yet. */
export const ReleaseLease = Type.Object(
  {
    ...step,
    freeze: FreezeId,
    destination: CellIdSchema,
    addresses: Type.Object({ a: SlotAddresses, b: SlotAddresses }, { additionalProperties: false }),
  },
  { $id: "ReleaseLease", additionalProperties: false },
);
export type ReleaseLease = Static<typeof ReleaseLease>;

export const ImportLease = Type.Object(
  {
    ...step,
    /** The epoch at which the import will end: the owner's + 1. */
    epoch: EpochSchema,
    source: CellIdSchema,
    slug: Type.String(),
    tier: Type.String(),
    synthetic: Type.Boolean(),
    /** The freeze under which the same attempt had made it ready, and which has ended: opens it again to drain under the next. */
    reopen: Type.Optional(FreezeId),
  },
  { $id: "ImportLease", additionalProperties: false },
);
export type ImportLease = Static<typeof ImportLease>;

export const ReadyLease = Type.Object(
  {
    ...step,
    freeze: FreezeId,
    /** The suspension as the source's lease has it under that freeze; it comes along. */
    suspended: Type.Optional(Type.Boolean()),
    reason: Type.Optional(Type.Union([Type.String({ maxLength: 500 }), Type.Null()])),
  },
  { $id: "ReadyLease", additionalProperties: false },
);
export type ReadyLease = Static<typeof ReadyLease>;

/**
 * The registry's word after a restore or a promotion, for some or all unconfirmed leases: held here at a higher epoch than the row says, or dropped, because
 * another cell holds the tenant or could not be asked. `incarnation` is the id in the cell's incarnation file. The cell serves when none is left.
 */
export const ConfirmLeases = Type.Object(
  {
    incarnation: Type.String({ minLength: 1 }),
    leases: Type.Array(
      Type.Union([
        Type.Object({ tenant: TenantIdSchema, epoch: EpochSchema }, { additionalProperties: false }),
        Type.Object({ tenant: TenantIdSchema, dropped: Type.Literal(true) }, { additionalProperties: false }),
      ]),
      { maxItems: 5_000 },
    ),
  },
  { $id: "ConfirmLeases", additionalProperties: false },
);
export type ConfirmLeases = Static<typeof ConfirmLeases>;

export const Incarnation = Type.Object(
  {
    /** The id in the database, and the one in the file outside the data directory; null where there is none. */
    database: Type.Union([Type.String(), Type.Null()]),
    file: Type.Union([Type.String(), Type.Null()]),
    /** Whether the cell takes the database for its own life, and serves. */
    confirmed: Type.Boolean(),
    /** Leases that await the registry's word. Tombstones need none: they own nothing. */
    unconfirmed: Type.Integer({ minimum: 0 }),
  },
  { $id: "Incarnation", additionalProperties: false },
);
export type Incarnation = Static<typeof Incarnation>;

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

/** Something that a person should look at although the cell serves. */
export const Alarm = Type.Object(
  {
    /** `dead-letters`, `jobs-late`, `outbox-full`, …; later kits may know more. */
    code: Type.String(),
    detail: Type.String(),
  },
  { $id: "Alarm" },
);
export type Alarm = Static<typeof Alarm>;

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
    /** `outbox`: all that is written down and not done, waiting or in flight. */
    queue: Type.Object({
      outbox: Type.Integer(),
      inFlight: Type.Optional(Type.Integer()),
      oldestSeconds: Type.Number(),
      dead: Type.Integer(),
    }),
    alarms: Type.Optional(Type.Array(Alarm)),
    fleetGeneration: Type.Union([Type.Object({ term: Type.Integer(), n: Type.Integer() }), Type.Null()]),
    /** The highest claim token that the cell has seen; lower ones are refused. */
    claimToken: Type.Optional(Type.Integer({ minimum: 0 })),
    startedAt: TimestampSchema,
  },
  // Open, because the reader may be one release older than the cell.
  { $id: "CellStatus" },
);
export type CellStatus = Static<typeof CellStatus>;

/** An aggregate's answer for one cell, one row a tenant; `value` is a plain number or the JSON of a mergeable sketch. */
export const AggregateAnswer = Type.Object(
  {
    cell: CellIdSchema,
    incarnation: Type.String(),
    name: Type.String(),
    /** How its values are merged; a cell one release older does not say. */
    merge: Type.Optional(oneOf(mergeKinds)),
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
