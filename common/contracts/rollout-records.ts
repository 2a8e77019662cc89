import Type, { type Static } from "typebox";
import { Watch } from "./bake.ts";
import { CalendarWindows } from "./calendar.ts";
import { OperationIdSchema, ReleaseNameSchema, Sha256Schema, TimestampSchema, oneOf } from "./ids.ts";
import { rolloutStates, Verdict } from "./rollout.ts";
import { RolloutPolicy } from "./rollout-policy.ts";

// The control plane's API around rollouts: plans before, explanations after (control-plane.ts has the rollouts themselves).

/** `POST /v1/rollouts/plans`: the answer is the plan, stored under its hash. */
export const PlanRollout = Type.Object(
  { release: ReleaseNameSchema, policy: Type.Optional(Type.Partial(RolloutPolicy)) },
  { $id: "PlanRollout", additionalProperties: false },
);
export type PlanRollout = Static<typeof PlanRollout>;

/** `GET /v1/rollouts/:id/explain`: every decision with all it rests on, and the watches that it rests on. */
export const RolloutExplanation = Type.Object(
  {
    id: OperationIdSchema,
    release: ReleaseNameSchema,
    state: oneOf(rolloutStates),
    plan: Sha256Schema,
    decisions: Type.Array(
      Type.Object(
        {
          at: TimestampSchema,
          event: Type.String(),
          wave: Type.Union([Type.Integer(), Type.Null()]),
          verdict: Verdict,
        },
        { additionalProperties: false },
      ),
    ),
    watches: Type.Array(Watch),
  },
  { $id: "RolloutExplanation", additionalProperties: false },
);
export type RolloutExplanation = Static<typeof RolloutExplanation>;

/** `POST /v1/rollouts/:id/what-if`: the looks of its bakes, judged by another policy; what is not named stays as the rollout had it. */
export const RolloutWhatIf = Type.Object(
  { policy: Type.Partial(RolloutPolicy) },
  { $id: "RolloutWhatIf", additionalProperties: false },
);
export type RolloutWhatIf = Static<typeof RolloutWhatIf>;
export const RolloutWhatIfAnswer = Type.Object(
  {
    id: OperationIdSchema,
    policy: RolloutPolicy,
    bakes: Type.Array(
      Type.Object(
        {
          wave: Type.Integer(),
          watch: Type.Integer(),
          looks: Type.Integer(),
          /** Under the rollout's own policy, and under this one; and when it would have been said, in seconds since the bake began. */
          was: Verdict,
          would: Verdict,
          afterSeconds: Type.Number(),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { $id: "RolloutWhatIfAnswer", additionalProperties: false },
);
export type RolloutWhatIfAnswer = Static<typeof RolloutWhatIfAnswer>;

/** `PUT /v1/cells/:cell/maintenance`: rollouts change the cell within these only; none means always. */
export const CellMaintenance = Type.Object(
  { windows: CalendarWindows, reason: Type.Optional(Type.String({ maxLength: 500 })) },
  { $id: "CellMaintenance", additionalProperties: false },
);
export type CellMaintenance = Static<typeof CellMaintenance>;

/** `PUT /v1/line`: stops every rollout, and keeps any from beginning, until it is released. */
export const SetLine = Type.Object(
  { stopped: Type.Boolean(), reason: Type.String({ minLength: 1, maxLength: 500 }) },
  { $id: "SetLine", additionalProperties: false },
);
export type SetLine = Static<typeof SetLine>;

/** `GET /v1/line`: who last stopped or released it, when and why; null where nobody ever did. */
export const Line = Type.Object(
  {
    stopped: Type.Boolean(),
    by: Type.Union([Type.String(), Type.Null()]),
    reason: Type.Union([Type.String(), Type.Null()]),
    since: Type.Union([TimestampSchema, Type.Null()]),
  },
  { $id: "Line", additionalProperties: false },
);
export type Line = Static<typeof Line>;
