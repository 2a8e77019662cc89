import Type, { type Static } from "typebox";
import { TimestampSchema, oneOf } from "./ids.ts";

/**
 * Jobs of one tenant, as the cell's admin API (`/v1/tenants/:tenant/…`) and the control plane (`/v1/tenants/:slug/…`) show them:
 *   GET  jobs?after=&limit=          DeadLetterList: how much waits and runs, and the dead letters without what is the tenant's own
 *   GET  jobs/:id                    DeadLetter, with payload and errors
 *   POST jobs/:id/replay             → ReplayedJobs; the job begins anew, with all its tries
 *   POST jobs/replay                 → ReplayedJobs; the oldest of all dead letters, again until `remaining` is 0
 *   POST jobs/:id/discard { reason } → DiscardedJob
 */
export const jobPriorities = ["high", "normal", "low"] as const;

const summary = {
  id: Type.String({ format: "uuid" }),
  job: Type.String(),
  /** The payload's version. */
  version: Type.Integer(),
  tries: Type.Integer(),
  /** How many of the tries ended the worker's process, or were cut off with it. */
  crashes: Type.Integer(),
  priority: oneOf(jobPriorities),
  /** The name of what was thrown last; its message may hold the tenant's data and is in `errors`. */
  error: Type.String(),
  createdAt: TimestampSchema,
  lastTryAt: Type.Union([TimestampSchema, Type.Null()]),
  diedAt: TimestampSchema,
};

/** One error of a chain, outermost first. */
const ErrorLink = Type.Object({
  name: Type.String(),
  message: Type.String(),
  code: Type.Optional(Type.String()),
  stack: Type.Optional(Type.Array(Type.String())),
});

export const DeadLetter = Type.Object(
  {
    ...summary,
    /** Both are absent for who may not read the tenant's data. */
    payload: Type.Optional(Type.Unknown()),
    errors: Type.Optional(Type.Array(ErrorLink)),
  },
  { $id: "DeadLetter" },
);
export type DeadLetter = Static<typeof DeadLetter>;

/** A queue in numbers. */
export const queueNumbers = {
  /** Jobs that are written down and neither run nor stand at the workers, delayed ones too. */
  waiting: Type.Integer(),
  inFlight: Type.Integer(),
  dead: Type.Integer(),
  /** For how long the job that is due longest has been so. */
  oldestSeconds: Type.Number(),
};

export const DeadLetterList = Type.Object(
  {
    queue: Type.Object(queueNumbers),
    /** Latest job first. */
    letters: Type.Array(Type.Object(summary)),
    /** `after` of the next page; null on the last. */
    next: Type.Union([Type.String(), Type.Null()]),
  },
  { $id: "DeadLetterList" },
);
export type DeadLetterList = Static<typeof DeadLetterList>;

export const ReplayedJobs = Type.Object(
  { replayed: Type.Integer(), remaining: Type.Integer() },
  { $id: "ReplayedJobs" },
);
export type ReplayedJobs = Static<typeof ReplayedJobs>;

export const DiscardJob = Type.Object(
  { reason: Type.String({ minLength: 1, maxLength: 500 }) },
  { $id: "DiscardJob", additionalProperties: false },
);
export type DiscardJob = Static<typeof DiscardJob>;

export const DiscardedJob = Type.Object({ id: Type.String(), discarded: Type.Literal(true) }, { $id: "DiscardedJob" });
export type DiscardedJob = Static<typeof DiscardedJob>;
