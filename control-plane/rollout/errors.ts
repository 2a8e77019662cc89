import { type ErrorTable, errorsOf } from "../../common/errors.ts";

/** Errors of planning and commanding rollouts. */
export const rolloutErrors = {
  "unknown-release": {
    status: 404,
    title: "There is no such release",
    todo: "List the stored releases, or create this one with `cellplane release create`.",
  },
  "wrong-application": {
    status: 409,
    title: "The release is of another application",
    todo: "Name a release of the application that the fleet runs.",
  },
  "release-quarantined": {
    status: 409,
    title: "The release failed a rollout and is quarantined",
    todo: "Mend it and release it under a new version.",
  },
  "schema-out-of-range": {
    status: 409,
    title: "The release cannot run on a cell's database schema",
    todo: "Choose a release whose schema range holds for every cell.",
  },
  "no-cells": {
    status: 409,
    title: "There is no cell to roll out to",
    todo: "Add a cell first.",
  },
  "nothing-to-do": {
    status: 409,
    title: "Every cell runs the release already",
    todo: "Nothing needs to be done.",
  },
  "invalid-policy": {
    status: 400,
    title: "The rollout's policy does not make sense",
    todo: "The detail says what does not fit; see the policy's fields in the API's description.",
  },
  "budget-too-small": {
    status: 409,
    title: "One cell alone exceeds the blast radius",
    todo: "Allow more customers an hour, or move tenants off the cell first.",
  },
  "not-yours-to-approve": {
    status: 403,
    title: "That approval does not count",
    todo: "Ask somebody whom the plan's policy names; never the one who asked for the rollout.",
  },
  "rollout-ended": {
    status: 409,
    title: "The rollout has ended",
    todo: "Start another rollout, of an older release if need be.",
  },
  "plan-differs": {
    status: 409,
    title: "The command is for another plan",
    todo: "Look at the rollout again and repeat the command if it still makes sense.",
  },
  "revision-differs": {
    status: 409,
    title: "The rollout has changed since it was looked at",
    todo: "Look at the rollout again and repeat the command if it still makes sense.",
  },
  "wave-differs": {
    status: 409,
    title: "The command is for another wave",
    todo: "Look at the rollout again and repeat the command if it still makes sense.",
  },
  "command-incomplete": {
    status: 400,
    title: "The command does not say all that it has to",
    todo: "The detail names what is missing; the command line sends it by itself.",
  },
  "not-that-cell": {
    status: 409,
    title: "The command makes no sense for that cell",
    todo: "The detail says where the cell stands.",
  },
  "not-in-this-state": {
    status: 409,
    title: "The command makes no sense in the rollout's state",
    todo: "The detail says which state it is in and why.",
  },
  "not-reversible": {
    status: 409,
    title: "The release cannot be rolled back",
    todo: "Its migrations took away what the previous release needs. Roll forward with a new release.",
  },
} as const satisfies ErrorTable;

export type RolloutErrorCode = keyof typeof rolloutErrors;
export const rolloutError = errorsOf(rolloutErrors);
