import Type, { type Static } from "typebox";
import { CellIdSchema, ReleaseNameSchema, TimestampSchema, oneOf } from "./ids.ts";
import { SampleCounter } from "./samples.ts";

/** One hard check of a cell: what it said, or that it could not be asked. */
export const CellCheck = Type.Object(
  {
    cell: CellIdSchema,
    /** It answered a ping through its admin address. */
    answered: Type.Boolean(),
    ready: Type.Boolean(),
    /** The release that its live slot reports; null when it did not answer. */
    release: Type.Union([ReleaseNameSchema, Type.Null()]),
    problems: Type.Array(Type.String()),
    /** Its queue: age of the oldest job that waits, in seconds, and dead letters. Missing where it did not say. */
    queue: Type.Optional(
      Type.Object({ oldestSeconds: Type.Number(), dead: Type.Integer() }, { additionalProperties: false }),
    ),
  },
  { $id: "CellCheck", additionalProperties: false },
);
export type CellCheck = Readonly<Static<typeof CellCheck>>;

/** One look at a wave and the cells it is compared with: what happened since the look before. */
export const Look = Type.Object(
  {
    /** Seconds since the watch began. */
    seconds: Type.Number({ minimum: 0 }),
    checks: Type.Array(CellCheck),
    /** Counted since the look before, summed over the routers. */
    counters: Type.Array(SampleCounter),
    /** Routers that were heard; those that were not; those whose reading was too old to say anything. */
    sources: Type.Array(Type.String()),
    missing: Type.Array(Type.String()),
    stale: Type.Array(Type.String()),
    /** Why the look could not be taken; it says nothing about the cells then. */
    error: Type.Union([Type.String(), Type.Null()]),
  },
  { $id: "Look", additionalProperties: false },
);
export type Look = Readonly<Static<typeof Look>>;

/** Customers' requests to a cell in the time before the wave was deployed. */
export const BeforeDeploy = Type.Object(
  {
    cell: CellIdSchema,
    /** How much of that time is known. */
    seconds: Type.Number({ minimum: 0 }),
    requests: Type.Integer({ minimum: 0 }),
    errors: Type.Integer({ minimum: 0 }),
    latency: Type.Array(Type.Integer({ minimum: 0 })),
  },
  { $id: "BeforeDeploy", additionalProperties: false },
);
export type BeforeDeploy = Readonly<Static<typeof BeforeDeploy>>;

/** What a wave is compared with. */
export const Comparison = Type.Object(
  {
    /** Cells on their old release all through the bake. */
    controls: Type.Array(CellIdSchema),
    /** Of the wave's cells and the controls. */
    before: Type.Array(BeforeDeploy),
    /** Cells of the wave that planning found too quiet to be compared, and why. */
    powerless: Type.Array(Type.Object({ cell: CellIdSchema, reason: Type.String() }, { additionalProperties: false })),
  },
  { $id: "Comparison", additionalProperties: false },
);
export type Comparison = Readonly<Static<typeof Comparison>>;

/** Cells and what each should run. */
const WatchedCells = Type.Array(
  Type.Object({ cell: CellIdSchema, release: ReleaseNameSchema }, { additionalProperties: false }),
);

export const watchPurposes = ["verify", "bake", "wait"] as const;
export type WatchPurpose = (typeof watchPurposes)[number];

/** A watch over a wave, as it is kept: all that its verdicts rest on, so that each can be made again, or under another policy. */
export const Watch = Type.Object(
  {
    wave: Type.Integer({ minimum: 1 }),
    /** Rises with each watch of the rollout: a wave that bakes again is watched anew. */
    number: Type.Integer({ minimum: 1 }),
    /** Whether its cells serve at all; how they bake; or how they do while a person or a window is waited for. */
    purpose: oneOf(watchPurposes),
    beganAt: TimestampSchema,
    cells: WatchedCells,
    comparison: Type.Union([Comparison, Type.Null()]),
    /** Waves before this one, which are looked at too: if this one fails they are judged again over the same time. */
    earlier: Type.Array(
      Type.Object(
        { wave: Type.Integer({ minimum: 1 }), cells: WatchedCells, comparison: Type.Union([Comparison, Type.Null()]) },
        { additionalProperties: false },
      ),
    ),
    looks: Type.Array(Look),
  },
  { $id: "Watch", additionalProperties: false },
);
export type Watch = Readonly<Static<typeof Watch>>;
