import Type, { type Static } from "typebox";
import { CellIdSchema, EpochSchema, TenantIdSchema, TimestampSchema, oneOf } from "./ids.ts";

/** How values of an aggregate are merged over buckets and tenants (aggregator/merge). */
export const mergeKinds = ["sum", "min", "max", "distinct", "quantiles"] as const;
export type MergeKind = (typeof mergeKinds)[number];

/** One absolute value per tenant, aggregate and bucket. Shipping it again changes nothing; the highest epoch of a tenant wins. */
export const RollupRow = Type.Object(
  {
    aggregate: Type.String(),
    merge: oneOf(mergeKinds),
    tenant: TenantIdSchema,
    slug: Type.String(),
    tier: Type.String(),
    synthetic: Type.Boolean(),
    epoch: EpochSchema,
    /** Beginning of the bucket (an hour). */
    bucket: TimestampSchema,
    value: Type.Unknown(),
  },
  { $id: "RollupRow", additionalProperties: false },
);
export type RollupRow = Static<typeof RollupRow>;

/**
 * `POST /v1/shipments` of the aggregator, bearer: command token signed by the cell (role `cell`, audience `aggregator`). Numbered without gaps per (cell, incarnation) from 1;
 * sent at least every 2 s, also when empty, so that silence means that the cell cannot be heard.
 */
export const Shipment = Type.Object(
  {
    cell: CellIdSchema,
    incarnation: Type.String(),
    number: Type.Integer({ minimum: 1 }),
    /**
     * Where the shipper was told of a gap: this shipment stands for all numbers from this one to `number`. Values are absolute, so that what later
     * numbers replaced need not travel again. A reader that does not know it answers as to `number` alone.
     */
    from: Type.Optional(Type.Integer({ minimum: 1 })),
    asOf: TimestampSchema,
    rows: Type.Array(RollupRow, { maxItems: 5000 }),
  },
  { $id: "Shipment", additionalProperties: false },
);
export type Shipment = Static<typeof Shipment>;
/**
 * A field of a shipment's head, a date-time: with this shipment the cell has sent, in this life, all that it holds of hours that begin there or later. What the reader
 * has of its tenants beyond that, of lower epochs, is of a past that was undone by a restore. In the head, because readers from before refuse members of
 * the body that they do not know.
 */
export const wholeSinceHeader = "cellplane-whole-since";

/** The answer: the number expected next; lower than number + 1 means there is a gap, the cell ships again from there. */
export const ShipmentReceipt = Type.Object(
  { next: Type.Integer({ minimum: 1 }) },
  { $id: "ShipmentReceipt", additionalProperties: false },
);
export type ShipmentReceipt = Static<typeof ShipmentReceipt>;

/** Name of an aggregate: the application's own word. */
export const AggregateName = Type.String({ pattern: "^[a-z][a-z0-9-]{0,39}$" });
export const groupings = ["tenant", "tier", "cell", "region"] as const;
export type Grouping = (typeof groupings)[number];

export const Coverage = Type.Object(
  {
    complete: Type.Boolean(),
    expected: Type.Array(CellIdSchema),
    answered: Type.Array(CellIdSchema),
    /** Cells whose part is older than the limit, taken from rollups. */
    stale: Type.Array(CellIdSchema),
    /** Cells of which the answer holds nothing. */
    failed: Type.Array(CellIdSchema),
    /** Cell → when its part was true; null where there is none. */
    asOf: Type.Record(Type.String(), Type.Union([TimestampSchema, Type.Null()])),
  },
  { $id: "Coverage", additionalProperties: false },
);
export type Coverage = Static<typeof Coverage>;

/** `GET /v1/query/:name?by=&from=&to=&completeness=all|best_effort` of the aggregator (and, passed on, of the control plane). */
export const QueryAnswer = Type.Object(
  {
    name: Type.String(),
    by: oneOf(groupings),
    from: TimestampSchema,
    to: TimestampSchema,
    rows: Type.Array(Type.Object({ key: Type.String(), value: Type.Number() }, { additionalProperties: false })),
    total: Type.Number(),
    coverage: Coverage,
  },
  { $id: "QueryAnswer", additionalProperties: false },
);
export type QueryAnswer = Static<typeof QueryAnswer>;
