import Type, { type Static } from "typebox";
import { CalendarWindows } from "./calendar.ts";

/** What the gates beside hard and absolute go by. Every one has a default (control-plane/rollout/judging.ts). */
export const JudgingPolicy = Type.Object(
  {
    /** Burn: the share of requests that shall succeed over the month; its complement is the budget that is burned. */
    sloObjective: Type.Number({ exclusiveMinimum: 0, exclusiveMaximum: 1 }),
    /** Times the even pace: above `fastBurn` over 1 h and 5 min fails, above `slowBurn` over 6 h and 30 min a person decides. */
    fastBurn: Type.Number({ exclusiveMinimum: 1 }),
    slowBurn: Type.Number({ exclusiveMinimum: 1 }),
    /** Relative: the probability that a healthy wave is failed, over its whole bake and however often it is looked at. */
    falseFail: Type.Number({ exclusiveMinimum: 0, maximum: 0.2 }),
    /** A rise of errors below this ratio never fails, however sure. */
    leastRatio: Type.Number({ minimum: 1 }),
    /** The rise that a bake must be able to show, and how probably; a cell that cannot is not compared. */
    detectRatio: Type.Number({ exclusiveMinimum: 1 }),
    detectPower: Type.Number({ minimum: 0.5, maximum: 0.999 }),
    /** Latency: slower than before by this ratio, at this significance, and a person decides. */
    latencyRatio: Type.Number({ exclusiveMinimum: 1 }),
    latencySignificance: Type.Number({ exclusiveMinimum: 0, maximum: 0.2 }),
    /** Saturation: a job that waits longer, or so many new dead letters, and a person decides. */
    queueSeconds: Type.Number({ exclusiveMinimum: 0 }),
    deadLetters: Type.Integer({ minimum: 1 }),
    /** Drop: less than this share of the traffic that was to be expected, and a person decides. */
    trafficShare: Type.Number({ minimum: 0, maximum: 1 }),
    /** Coverage: a reading older than this counts as not heard; after so many looks in a row that failed a person decides. */
    staleSeconds: Type.Number({ exclusiveMinimum: 0 }),
    toolErrorsInARow: Type.Integer({ minimum: 1 }),
    /** Requests a second of the synthetic tenant in a cell that has too few of its own. */
    syntheticPerSecond: Type.Number({ minimum: 0, maximum: 200 }),
  },
  { $id: "JudgingPolicy", additionalProperties: false },
);
export type JudgingPolicy = Static<typeof JudgingPolicy>;

/** How many customers may be exposed to a release that is not proven, within any hour (scaled); either bound holds. */
export const BlastRadius = Type.Object(
  {
    tenants: Type.Optional(Type.Integer({ minimum: 1 })),
    /** Of all customers of the fleet. */
    percent: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 100 })),
  },
  { $id: "BlastRadius", additionalProperties: false },
);
export type BlastRadius = Static<typeof BlastRadius>;

/** Who must agree before a wave begins. The one who asked for the rollout never counts. */
export const ApprovalPolicy = Type.Object(
  {
    /** N of M: so many of those named in `of`; of anybody who may, where nobody is named. */
    required: Type.Integer({ minimum: 1, maximum: 20 }),
    of: Type.Array(Type.String({ minLength: 1, maxLength: 100 }), { maxItems: 100 }),
    /** Waves that wait for it. */
    waves: Type.Array(Type.Integer({ minimum: 1 }), { minItems: 1, maxItems: 50 }),
    /** After so long without it the rollout is rejected. Not scaled: people are not. */
    expiresSeconds: Type.Number({ exclusiveMinimum: 0, maximum: 2_592_000 }),
  },
  { $id: "ApprovalPolicy", additionalProperties: false },
);
export type ApprovalPolicy = Static<typeof ApprovalPolicy>;

export const RolloutPolicy = Type.Object(
  {
    /** Cumulative shares of the fleet after each wave, in percent; the first wave is the canary. */
    canaryCells: Type.Integer({ minimum: 1 }),
    percentages: Type.Array(Type.Number({ exclusiveMinimum: 0, maximum: 100 }), { minItems: 1, maxItems: 20 }),
    /** Bake after wave 1, 2, …, the last one for all further waves; seconds before scaling. */
    bakeSeconds: Type.Array(Type.Number({ minimum: 0 }), { minItems: 1, maxItems: 20 }),
    /** Multiplies the bakes: 1 in production, small for demos. */
    timeScale: Type.Number({ exclusiveMinimum: 0, maximum: 1 }),
    /** Absolute gate: least share of requests that succeed, and the slowest acceptable p99 in milliseconds. */
    successObjective: Type.Number({ minimum: 0, maximum: 1 }),
    p99ObjectiveMs: Type.Number({ exclusiveMinimum: 0 }),
    /** Fewer samples than this never pass (I11). */
    minimumSamples: Type.Integer({ minimum: 1 }),
    /** Hard gate: this many failed checks in a row fail. */
    hardFailuresInARow: Type.Integer({ minimum: 1 }),
    judging: Type.Optional(Type.Partial(JudgingPolicy)),
    /** Most cells of one wave, and of one region within a wave. */
    maxWaveCells: Type.Optional(Type.Integer({ minimum: 1 })),
    maxRegionCells: Type.Optional(Type.Integer({ minimum: 1 })),
    /** Rings in the order in which they get releases; cells of other rings come last. With `ringByRing` no wave mixes them. */
    rings: Type.Optional(Type.Array(Type.String({ maxLength: 40 }), { maxItems: 20 })),
    ringByRing: Type.Optional(Type.Boolean()),
    /** Cells changed side by side. */
    cellsAtOnce: Type.Optional(Type.Integer({ minimum: 1, maximum: 250 })),
    /** So many cells of a wave may be left as they were, if it was not the release's doing, and the wave goes on. */
    toleratedFailures: Type.Optional(Type.Integer({ minimum: 0 })),
    blastRadius: Type.Optional(BlastRadius),
    approvals: Type.Optional(ApprovalPolicy),
    /** Nothing is begun within these. */
    freezes: Type.Optional(CalendarWindows),
    /** How long a person is waited for after a bad wave was rolled back and the waves before it are good; then they are, too. Before scaling. */
    decisionSeconds: Type.Optional(Type.Number({ minimum: 0, maximum: 604_800 })),
  },
  { $id: "RolloutPolicy", additionalProperties: false },
);
export type RolloutPolicy = Static<typeof RolloutPolicy>;
