import Type, { type Static } from "typebox";
import { HeldCells, WantedCells } from "./claims.ts";
import { CellIdSchema, EpochSchema, SlugSchema, TenantIdSchema, TimestampSchema } from "./ids.ts";

const strict = { additionalProperties: false } as const;
const Named = { tenant: TenantIdSchema, slug: Type.String() };

/** What the registry decided about a cell's leases when its database began another life. */
export const LifePlan = Type.Object(
  {
    /** The cell goes on with these, at new epochs. */
    confirmed: Type.Array(Type.Object({ ...Named, epoch: EpochSchema }, strict)),
    /** The cell holds these no more: another may, or owns them. */
    dropped: Type.Array(Type.Object({ ...Named, why: Type.String() }, strict)),
    /** Placed there and not in the restored database: they begin empty. */
    granted: Type.Array(Type.Object({ tenant: TenantIdSchema, epoch: EpochSchema }, strict)),
    /** Owned by another cell than the registry knew: it follows. */
    followed: Type.Array(Type.Object({ tenant: TenantIdSchema, cell: CellIdSchema, epoch: EpochSchema }, strict)),
  },
  { $id: "LifePlan", ...strict },
);
export type LifePlan = Static<typeof LifePlan>;

/** What a restore cost one tenant. */
export const TenantLoss = Type.Object(
  {
    tenant: TenantIdSchema,
    /** Null where the restored database has no lease of it. */
    slug: Type.Union([Type.String(), Type.Null()]),
    /** Its rows in the application's tables after the restore. */
    rows: Type.Integer(),
    /** Rows whose newest version came too late to be restored; null where the former database could not be read. */
    lostRows: Type.Union([Type.Integer(), Type.Null()]),
    /** Its newest write that was acknowledged; null where nobody can know it. */
    lastWriteAt: Type.Union([TimestampSchema, Type.Null()]),
    /** Seconds of writes that are gone; where that is unknown, the most that can be gone. */
    lostSeconds: Type.Number({ minimum: 0 }),
  },
  { $id: "TenantLoss", ...strict },
);
export type TenantLoss = Static<typeof TenantLoss>;

/** What a restore of a cell reports. */
export const RestoreReport = Type.Object(
  {
    base: Type.String(),
    /** The moment that was asked for; null for the newest state. */
    until: Type.Union([TimestampSchema, Type.Null()]),
    /** The newest commit that was restored. */
    through: TimestampSchema,
    /** From the first step until the restored database answered. */
    restoreMs: Type.Integer(),
    tenants: Type.Array(TenantLoss, { maxItems: 4_000 }),
  },
  { $id: "RestoreReport", ...strict },
);
export type RestoreReport = Static<typeof RestoreReport>;

const Reason = Type.String({ minLength: 1, maxLength: 500 });

/** Before a restore of a cell: who wants it, and why, goes into the audit. */
export const AnnounceRestore = Type.Object(
  { reason: Reason, until: Type.Union([TimestampSchema, Type.Null()]) },
  { $id: "AnnounceRestore", ...strict },
);
export type AnnounceRestore = Static<typeof AnnounceRestore>;

/** A life of a cell's database that began by a restore or a promotion. */
export const CellLife = Type.Object(
  {
    incarnation: Type.String(),
    notedAt: TimestampSchema,
    /** Null until the registry has decided. */
    plan: Type.Union([LifePlan, Type.Null()]),
    /** When the cell had taken the registry's word, and served. */
    confirmedAt: Type.Union([TimestampSchema, Type.Null()]),
    report: Type.Union([RestoreReport, Type.Null()]),
  },
  { $id: "CellLife", ...strict },
);
export type CellLife = Static<typeof CellLife>;

export const CellLives = Type.Object({ lives: Type.Array(CellLife) }, { $id: "CellLives", ...strict });

/** Before a restore of one tenant: who wants it, and why, goes into the audit. */
export const AnnounceTenantRestore = Type.Object(
  {
    reason: Reason,
    until: TimestampSchema,
    /** The new tenant that gets the rows; in place where there is none. */
    as: Type.Optional(SlugSchema),
  },
  { $id: "AnnounceTenantRestore", ...strict },
);
export type AnnounceTenantRestore = Static<typeof AnnounceTenantRestore>;

/** A restore of one tenant in another cell, which takes it over by the release record of the one that owns it. */
export const RelocateTenant = Type.Object(
  {
    reason: Reason,
    until: TimestampSchema,
    into: CellIdSchema,
    /** The tenant's cell, the destination, and the cell whose backup is read if that is another. */
    cells: WantedCells,
  },
  { $id: "RelocateTenant", ...strict },
);
export type RelocateTenant = Static<typeof RelocateTenant>;

/** The import that is open in the destination: who writes the tenant's rows there names operation and attempt. */
export const TenantRelocation = Type.Object(
  {
    held: HeldCells,
    tenant: TenantIdSchema,
    source: CellIdSchema,
    destination: CellIdSchema,
    /** At which the destination will own the tenant. */
    epoch: EpochSchema,
    attempt: Type.Integer({ minimum: 1 }),
  },
  { $id: "TenantRelocation", ...strict },
);
export type TenantRelocation = Static<typeof TenantRelocation>;
