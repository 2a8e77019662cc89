import Type, { type Static } from "typebox";
import { CellIdSchema, EpochSchema, OperationIdSchema, TenantIdSchema, oneOf } from "./ids.ts";

/** States of a lease row (design.md, section 6). `none` is the absence of a row. */
export const leaseStates = ["importing", "ready", "active", "frozen", "released"] as const;
export type LeaseState = (typeof leaseStates)[number];

export const slots = ["a", "b"] as const;
export type Slot = (typeof slots)[number];
export const SlotSchema = oneOf(slots);

/** A cell's two addresses, its admin API and its worker's admin API, per slot. Fixed for the cell's whole life. */
export const SlotAddresses = Type.Object(
  { url: Type.String(), adminUrl: Type.String(), workerUrl: Type.String() },
  { $id: "SlotAddresses", additionalProperties: false },
);
export type SlotAddresses = Static<typeof SlotAddresses>;

/**
 * The owner's signed word that it gave a tenant away, JWS type `cp-release-record`. Only this lets another cell take the
 * tenant (I4). Signed with the key of the cell that released.
 */
export const ReleaseRecord = Type.Object(
  {
    tenant: TenantIdSchema,
    from: CellIdSchema,
    /** The new epoch, e + 1. */
    epoch: EpochSchema,
    destination: CellIdSchema,
    addresses: Type.Object({ a: SlotAddresses, b: SlotAddresses }, { additionalProperties: false }),
    operation: OperationIdSchema,
    /** Id of the freeze under which it was released; the destination's lease must bear the same. */
    freeze: Type.String({ minLength: 1 }),
    iat: Type.Integer(),
  },
  { $id: "ReleaseRecord", additionalProperties: false },
);
export type ReleaseRecord = Static<typeof ReleaseRecord>;

/** With 421 where no release record applies: what this cell holds of the tenant. JWS type `cp-lease-word`. */
export const LeaseWord = Type.Object(
  {
    cell: CellIdSchema,
    tenant: TenantIdSchema,
    /** `active` at another epoch than the assertion's, or `none`. */
    state: oneOf(["none", ...leaseStates] as const),
    epoch: Type.Union([EpochSchema, Type.Null()]),
    iat: Type.Integer(),
  },
  { $id: "LeaseWord", additionalProperties: false },
);
export type LeaseWord = Static<typeof LeaseWord>;
