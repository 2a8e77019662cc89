import { errorsOf, type ErrorTable } from "../common/errors.ts";

/** What can end a step of an operation, beside the driver's and the registry's own errors. */
export const workflowErrors = {
  "part-unreachable": {
    status: 503,
    title: "A part does not answer",
    todo: "The step is tried again by itself; look at the part's log if it stays so.",
  },
  "part-refused": {
    status: 502,
    title: "A part refused the request or answered something else than its contract says",
    todo: "The detail carries the part's own answer.",
  },
  "release-not-ready": {
    status: 502,
    title: "The release did not become ready in its slot",
    todo: "The detail names what kept it; `cellplane cell logs <cell>` shows more. The old release stays live.",
  },
  "release-not-there": {
    status: 409,
    title: "The slot does not run the release that was started in it",
    todo: "Somebody else acted on the cell; look at its state and start the rollout again.",
  },
  "claim-lost": {
    status: 409,
    title: "The operation does not hold the cell any more",
    todo: "It was closed, or another operation took the cell over; look at the rollouts and start again what is still wanted.",
  },
  "smoke-failed": {
    status: 502,
    title: "The synthetic tenant's journey failed",
    todo: "The detail names the step; the old release stays live. Mend the release and create it under a new version.",
  },
  "no-temporal": {
    status: 503,
    title: "This fleet has no Temporal",
    todo: "Install Temporal's CLI, or name a server by TEMPORAL_ADDRESS, and start again; tenants are served without it.",
  },
  "temporal-unreachable": {
    status: 503,
    title: "Temporal does not answer",
    todo: "Running operations wait and go on by themselves when it is back.",
  },
  "no-router": {
    status: 503,
    title: "No router is registered",
    todo: "Start a router; it registers itself with the control plane.",
  },
} as const satisfies ErrorTable;

export const workflowError = errorsOf(workflowErrors);
