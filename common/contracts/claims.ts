import Type, { type Static } from "typebox";
import { CellIdSchema, OperationIdSchema, TimestampSchema, oneOf } from "./ids.ts";

const strict = { additionalProperties: false } as const;

/** What a command does to cells itself, without a workflow. A cell's restore holds its cell alone, the others share theirs. */
export const commandKinds = ["backup", "cell-restore", "tenant-restore"] as const;
export type CommandKind = (typeof commandKinds)[number];

/** More cells than this no command touches: the owner, the one whose backup is read, the destination. */
const mostCells = 3;

/** A cell to hold, with the highest token that the cell and its driver have seen: after a direct command the registry does not know it. */
export const WantedCell = Type.Object(
  { cell: CellIdSchema, seen: Type.Integer({ minimum: 0 }) },
  { $id: "WantedCell", ...strict },
);
export type WantedCell = Static<typeof WantedCell>;
export const WantedCells = Type.Array(WantedCell, { minItems: 1, maxItems: mostCells });

export const ClaimCells = Type.Object(
  {
    kind: oneOf(commandKinds),
    cells: WantedCells,
    reason: Type.Optional(Type.String({ minLength: 1, maxLength: 500 })),
  },
  { $id: "ClaimCells", ...strict },
);
export type ClaimCells = Static<typeof ClaimCells>;

/** An operation that has not ended. */
export const OpenOperation = Type.Object(
  {
    id: OperationIdSchema,
    kind: Type.String(),
    requestedBy: Type.String(),
    createdAt: TimestampSchema,
    /** Of a rollout: its release and its state. */
    release: Type.Union([Type.String(), Type.Null()]),
    state: Type.Union([Type.String(), Type.Null()]),
    /** Of a command: whether it was heard of lately; a rollout's workflow is not asked here. */
    isHeard: Type.Union([Type.Boolean(), Type.Null()]),
    cells: Type.Array(CellIdSchema),
  },
  { $id: "OpenOperation", ...strict },
);
export type OpenOperation = Static<typeof OpenOperation>;
export const OpenOperations = Type.Object(
  { operations: Type.Array(OpenOperation) },
  { $id: "OpenOperations", ...strict },
);
export type OpenOperations = Static<typeof OpenOperations>;

/** `POST /v1/operations/:id/abandon` */
export const AbandonOperation = Type.Object(
  { reason: Type.String({ minLength: 1, maxLength: 500 }) },
  { $id: "AbandonOperation", ...strict },
);
export type AbandonOperation = Static<typeof AbandonOperation>;
export const AbandonedOperation = Type.Object(
  {
    id: OperationIdSchema,
    kind: Type.String(),
    /** What became of its workflow: there was none, or none any more; it was ended; or Temporal could not be asked, and what comes back is refused. */
    workflow: oneOf(["none", "ended", "not-asked"] as const),
    /** Cells in mid-change, and how they say they stand now. */
    cells: Type.Array(
      Type.Object({ cell: CellIdSchema, step: Type.String(), error: Type.Union([Type.String(), Type.Null()]) }, strict),
    ),
  },
  { $id: "AbandonedOperation", ...strict },
);
export type AbandonedOperation = Static<typeof AbandonedOperation>;

/** The operation that holds the cells, and the token of each claim, which driver and cell are shown. */
export const HeldCells = Type.Object(
  {
    operation: OperationIdSchema,
    claims: Type.Array(Type.Object({ cell: CellIdSchema, token: Type.Integer({ minimum: 1 }) }, strict)),
    /** The claims lapse when the operation was not heard of for so long. */
    lapsesAfterSeconds: Type.Integer({ minimum: 1 }),
  },
  { $id: "HeldCells", ...strict },
);
export type HeldCells = Static<typeof HeldCells>;

/** Whether the operation still holds its cells. */
export const ClaimsHeld = Type.Object({ held: Type.Boolean() }, { $id: "ClaimsHeld", ...strict });
export type ClaimsHeld = Static<typeof ClaimsHeld>;

/** What was done with `--direct`, past the control plane; told to the audit when that is back. */
export const DirectCommand = Type.Object(
  {
    /** Of the deed: told again it is the same. */
    id: Type.String({ format: "uuid" }),
    at: TimestampSchema,
    /** `cell.restore`, … as the audit names it. */
    action: Type.String({ pattern: "^[a-z]+\\.[a-z-]+$", maxLength: 60 }),
    target: Type.String({ minLength: 1, maxLength: 200 }),
    reason: Type.String({ minLength: 1, maxLength: 500 }),
    /** Who did it, as the machine knows them. */
    user: Type.String({ minLength: 1, maxLength: 64 }),
  },
  { $id: "DirectCommand", ...strict },
);
export type DirectCommand = Static<typeof DirectCommand>;
