import { type ErrorTable, errorsOf } from "../../common/errors.ts";

/** Errors of planning and applying DNS. */
export const dnsErrors = {
  "dns-no-routers": {
    status: 409,
    title: "The fleet has no router with an address",
    todo: "Configure the routers' public addresses; records that point nowhere are never written.",
  },
  "dns-not-configured": {
    status: 409,
    title: "No hosted zone is configured",
    todo: "Set the hosted zone's id, and give AWS credentials in the environment.",
  },
  "dns-plan-older": {
    status: 409,
    title: "The zone already holds a newer generation",
    todo: "Make a new plan; an older one is never applied.",
  },
  "dns-plan-differs": {
    status: 409,
    title: "The plan is no longer the one that was looked at",
    todo: "Look at the plan again.",
  },
  "dns-zone-changed": {
    status: 409,
    title: "Another plan was applied at the same time",
    todo: "Try again: the plan is made anew from what the zone holds now.",
  },
  "dns-name-occupied": {
    status: 409,
    title: "A name is occupied by a record that is not ours",
    todo: "Remove the record, or choose another base domain.",
  },
  "dns-other-fleet": {
    status: 409,
    title: "The base domain belongs to another fleet",
    todo: "Choose another base domain, or remove the other fleet's marker record.",
  },
  "dns-credentials-missing": {
    status: 409,
    title: "There are no AWS credentials",
    todo: "Give credentials in the environment; without them the plan can still be looked at.",
  },
  "dns-refused": {
    status: 502,
    title: "Route 53 refused the request",
    todo: "The detail says what it said.",
  },
  "dns-unavailable": {
    status: 503,
    title: "Route 53 did not take the request in time",
    todo: "Try again later. What was applied so far is whole: each batch is atomic, and no name is left empty.",
  },
} as const satisfies ErrorTable;

export const dnsError = errorsOf(dnsErrors);
