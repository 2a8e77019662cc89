import Type, { type Static } from "typebox";
import { CellIdSchema, OperationIdSchema, ReleaseNameSchema, Sha256Schema, TimestampSchema, oneOf } from "./ids.ts";
import { SlotSchema } from "./lease.ts";
import { migrationClasses } from "./release.ts";
import { RolloutPolicy } from "./rollout-policy.ts";
import { CalendarWindows } from "./calendar.ts";

export const rolloutStates = [
  "planned",
  "deploying",
  "verifying",
  "baking",
  "waiting",
  "halted",
  "rolling-back",
  "rolled-back",
  "rollback-failed",
  "completed",
  "cancelled",
] as const;
export type RolloutState = (typeof rolloutStates)[number];
/** What a rollout in state `waiting` waits for. */
export const waitReasons = ["approval", "window", "moves", "decision"] as const;
export type WaitReason = (typeof waitReasons)[number];
/** States from which nothing happens any more. */
export const finalRolloutStates = [
  "rolled-back",
  "rollback-failed",
  "completed",
  "cancelled",
] as const satisfies readonly RolloutState[];

/** Where a cell stands within a rollout. */
export const cellSteps = [
  "pending",
  "checking",
  "migrating",
  "starting",
  "smoke",
  "switching",
  "draining",
  "deployed",
  "rolling-back",
  "rolled-back",
  "failed",
  "skipped",
  /** Its change broke off, and the cell has not said yet how it stands. */
  "indeterminate",
] as const;
export type CellStep = (typeof cellSteps)[number];

export const PlannedCell = Type.Object(
  {
    cell: CellIdSchema,
    from: Type.Union([ReleaseNameSchema, Type.Null()]),
    to: ReleaseNameSchema,
    tenants: Type.Integer(),
    /** It is changed within these only; always where there are none. */
    maintenance: Type.Optional(CalendarWindows),
  },
  { additionalProperties: false },
);
/** Whether the relative gate can judge a cell, and what stands in for it where not. */
export const PlannedPower = Type.Object(
  {
    cell: CellIdSchema,
    requestsPerSecond: Type.Number(),
    comparable: Type.Boolean(),
    reason: Type.String(),
    syntheticPerSecond: Type.Number(),
  },
  { $id: "PlannedPower", additionalProperties: false },
);
export type PlannedPower = Static<typeof PlannedPower>;

export const PlannedWave = Type.Object(
  {
    number: Type.Integer({ minimum: 1 }),
    cells: Type.Array(PlannedCell, { minItems: 1 }),
    bakeSeconds: Type.Number(),
    /** Tenants of this wave's cells, by tier. */
    tenantsAtRisk: Type.Record(Type.String(), Type.Integer()),
    /** Seconds from the rollout's beginning, if nothing is waited for but bakes and the blast radius. */
    startsAfterSeconds: Type.Optional(Type.Number()),
    power: Type.Optional(Type.Array(PlannedPower)),
  },
  { additionalProperties: false },
);
export type PlannedWave = Static<typeof PlannedWave>;

/** What a rollout changes, which is seen from what it brings: all kinds go in waves. */
export const rolloutKinds = ["application", "configuration", "migration-contract"] as const;
export type RolloutKind = (typeof rolloutKinds)[number];

/** Computed purely, stored, immutable; `hash` is the digest of all the rest. */
export const RolloutPlan = Type.Object(
  {
    application: Type.String(),
    kind: Type.Optional(oneOf(rolloutKinds)),
    release: ReleaseNameSchema,
    digest: Sha256Schema,
    /** The heaviest class among the migrations that the release brings; null for none. */
    migrationClass: Type.Union([oneOf(migrationClasses), Type.Null()]),
    waves: Type.Array(PlannedWave, { minItems: 1 }),
    policy: RolloutPolicy,
    expectedSeconds: Type.Number(),
    /** Of the whole fleet: what shares of the blast radius are of. */
    customers: Type.Optional(Type.Integer()),
    hash: Sha256Schema,
  },
  { $id: "RolloutPlan", additionalProperties: false },
);
export type RolloutPlan = Static<typeof RolloutPlan>;

export const verdictKinds = ["PASS", "FAIL", "INCONCLUSIVE"] as const;
/** What a verdict can rest on, in the order in which a FAIL is looked for; `coverage` is about the samples themselves. */
export const gates = ["coverage", "hard", "absolute", "burn", "relative", "latency", "saturation", "drop"] as const;
export type Gate = (typeof gates)[number];
export const gateOutcomes = ["pass", "fail", "decide", "open", "not-applicable"] as const;
const trafficKinds = ["real", "synthetic", "none"] as const;

/** What one gate found, at the cell where it found most. `decide`: a person must; `open`: not enough is known. */
export const GateFinding = Type.Object(
  {
    gate: oneOf(gates),
    outcome: oneOf(gateOutcomes),
    traffic: oneOf(trafficKinds),
    reason: Type.String(),
    formula: Type.String(),
    thresholds: Type.Record(Type.String(), Type.Number()),
    numbers: Type.Record(Type.String(), Type.Number()),
  },
  { $id: "GateFinding", additionalProperties: false },
);
export type GateFinding = Static<typeof GateFinding>;

/** A decision, with all that is needed to make it again. */
export const Verdict = Type.Object(
  {
    verdict: oneOf(verdictKinds),
    gate: oneOf(gates),
    traffic: oneOf(trafficKinds),
    reason: Type.String(),
    formula: Type.String(),
    thresholds: Type.Record(Type.String(), Type.Number()),
    numbers: Type.Record(Type.String(), Type.Number()),
    /** Whose samples it rests on, and who was not heard. */
    sources: Type.Array(Type.String()),
    missing: Type.Array(Type.String()),
    /** What every gate found, also those that did not decide. */
    gates: Type.Optional(Type.Array(GateFinding)),
    /** An INCONCLUSIVE that does not wait for the end of the bake: a person is asked at once. */
    urgent: Type.Optional(Type.Boolean()),
  },
  { $id: "Verdict", additionalProperties: false },
);
export type Verdict = Static<typeof Verdict>;

/** A rollout's state with the flags beside it. */
export const Standing = Type.Object(
  {
    state: oneOf(rolloutStates),
    waitingFor: Type.Union([oneOf(waitReasons), Type.Null()]),
    paused: Type.Boolean(),
    stopped: Type.Boolean(),
  },
  { $id: "Standing", additionalProperties: false },
);
export type Standing = Readonly<Static<typeof Standing>>;

export const HistoryEntry = Type.Object(
  {
    at: TimestampSchema,
    event: Type.String(),
    wave: Type.Union([Type.Integer(), Type.Null()]),
    cell: Type.Union([CellIdSchema, Type.Null()]),
    actor: Type.String(),
    reason: Type.Union([Type.String(), Type.Null()]),
    /** The explain record of a verdict. */
    verdict: Type.Optional(Verdict),
    /** Where it left the rollout, if that was somewhere else than before. */
    standing: Type.Optional(Standing),
  },
  { additionalProperties: false },
);
export type HistoryEntry = Static<typeof HistoryEntry>;

/** What `rollout show` answers, from the registry. */
export const Rollout = Type.Object(
  {
    id: OperationIdSchema,
    application: Type.String(),
    release: ReleaseNameSchema,
    state: oneOf(rolloutStates),
    waitingFor: Type.Union([oneOf(waitReasons), Type.Null()]),
    paused: Type.Boolean(),
    /** The line is stopped: no rollout begins anything until it is released. */
    stopped: Type.Optional(Type.Boolean()),
    reason: Type.Union([Type.String(), Type.Null()]),
    /** Rises with each change; commands carry it so that a late one is refused. */
    revision: Type.Integer(),
    wave: Type.Union([Type.Integer(), Type.Null()]),
    plan: RolloutPlan,
    waves: Type.Array(
      Type.Object(
        {
          number: Type.Integer(),
          state: oneOf(["pending", "deploying", "baking", "passed", "failed", "rolled-back", "skipped"] as const),
          cells: Type.Array(CellIdSchema),
          bakeEndsAt: Type.Union([TimestampSchema, Type.Null()]),
        },
        { additionalProperties: false },
      ),
    ),
    cells: Type.Array(
      Type.Object(
        {
          cell: CellIdSchema,
          wave: Type.Integer(),
          step: oneOf(cellSteps),
          from: Type.Union([ReleaseNameSchema, Type.Null()]),
          to: ReleaseNameSchema,
          error: Type.Union([Type.String(), Type.Null()]),
        },
        { additionalProperties: false },
      ),
    ),
    history: Type.Array(HistoryEntry),
    requestedBy: Type.String(),
    createdAt: TimestampSchema,
    updatedAt: TimestampSchema,
  },
  { $id: "Rollout", additionalProperties: false },
);
export type Rollout = Static<typeof Rollout>;

export const rolloutCommands = [
  "pause",
  "resume",
  "halt",
  "roll-back",
  "cancel",
  "approve",
  "reject",
  "extend-bake",
  "end-bake",
  "skip-cell",
  "retry-cell",
  "override",
] as const;
export type RolloutCommand = (typeof rolloutCommands)[number];
/** What every rollout is told when the line is stopped or released; nobody says it to one alone. */
export const lineCommands = ["stop-the-line", "release-the-line"] as const;
export const overrideVerdicts = ["PASS", "FAIL"] as const;
export type OverrideVerdict = (typeof overrideVerdicts)[number];

/** A bake is made longer by at most a week, in all. */
export const longestExtensionSeconds = 604_800;

/** What a command says beside its name: which of it is needed depends on the command. */
export const commandDetails = {
  /** The wave at hand when it was decided on; null before the first. */
  wave: Type.Optional(Type.Union([Type.Integer({ minimum: 1 }), Type.Null()])),
  /** skip-cell, retry-cell */
  cell: Type.Optional(CellIdSchema),
  /** extend-bake: by how much, in seconds as they pass. */
  seconds: Type.Optional(Type.Integer({ minimum: 1, maximum: longestExtensionSeconds })),
  /** override */
  verdict: Type.Optional(oneOf(overrideVerdicts)),
};

/**
 * An Update of the rollout workflow, named `command`. `revision` is the one that was looked at; null means "whatever it is now", which commands that
 * could hit the wrong wave do not allow.
 */
export const CommandInput = Type.Object(
  {
    command: oneOf([...rolloutCommands, ...lineCommands] as const),
    actor: Type.String(),
    reason: Type.Union([Type.String(), Type.Null()]),
    planHash: Type.Union([Sha256Schema, Type.Null()]),
    revision: Type.Union([Type.Integer(), Type.Null()]),
    ...commandDetails,
  },
  { $id: "CommandInput", additionalProperties: false },
);
export type CommandInput = Static<typeof CommandInput>;

/** Attributes by which rollouts are found in Temporal, with their types there. */
export const searchNames = {
  application: "CellplaneApplication",
  release: "CellplaneRelease",
  state: "CellplaneState",
  wave: "CellplaneWave",
} as const;

/** Names by which control plane and worker meet in Temporal. */
export const temporalNames = {
  namespace: "default",
  taskQueue: "cellplane-operations",
  rolloutWorkflow: "rollout",
  cellWorkflow: "deployCell",
  commandUpdate: "command",
  stateQuery: "state",
  /** One rollout an application at a time: the workflow's id says so. */
  rolloutId: (application: string) => `rollout/${application}`,
  cellDeployId: (operation: string, cell: string, direction: "forward" | "back") =>
    `rollout-cell/${operation}/${cell}/${direction}`,
} as const;

export const RolloutInput = Type.Object(
  {
    operation: OperationIdSchema,
    plan: RolloutPlan,
    requestedBy: Type.String(),
    reason: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    /** Temporal knows the attributes by which rollouts are searched (`searchNames`). */
    searchable: Type.Optional(Type.Boolean()),
    /** Events after which the workflow goes on in another run, if Temporal does not suggest it before; for tests. */
    longHistory: Type.Optional(Type.Integer({ minimum: 1 })),
  },
  { $id: "RolloutInput", additionalProperties: false },
);
export type RolloutInput = Static<typeof RolloutInput>;

/** What the child workflow of one cell is asked for, and answers. */
export const CellDeployInput = Type.Object(
  {
    operation: OperationIdSchema,
    wave: Type.Integer(),
    cell: CellIdSchema,
    from: Type.Union([ReleaseNameSchema, Type.Null()]),
    to: ReleaseNameSchema,
    digest: Sha256Schema,
    direction: oneOf(["forward", "back"] as const),
    /** Steps are not told to the rollout; how it ended is. */
    silent: Type.Optional(Type.Boolean()),
    /** The plan brings no migration: what served before serves after, and is not tried again. */
    sameSchema: Type.Optional(Type.Boolean()),
    /** Classes of migrations beside `expand` that the plan named; what it did not name is refused. */
    migrations: Type.Optional(Type.Array(oneOf(migrationClasses))),
  },
  { $id: "CellDeployInput", additionalProperties: false },
);
export type CellDeployInput = Static<typeof CellDeployInput>;
export const CellDeployResult = Type.Object(
  {
    cell: CellIdSchema,
    step: oneOf(cellSteps),
    slot: Type.Union([SlotSchema, Type.Null()]),
    error: Type.Union([Type.String(), Type.Null()]),
    /** Whether the release is to blame for the error: it did not start, its migration or its smoke test failed. */
    releaseAtFault: Type.Boolean(),
    /** The error's code, where it has one. */
    code: Type.Optional(Type.String()),
  },
  { $id: "CellDeployResult", additionalProperties: false },
);
export type CellDeployResult = Static<typeof CellDeployResult>;
