import { errorsOf, type ErrorTable } from "../common/errors.ts";

/** Everything the aggregator refuses or fails at, beside what any HTTP server of ours and the merge may answer. */
export const aggregatorErrors = {
  "token-refused": {
    status: 401,
    title: "The token does not prove who is asking",
    todo: "Send a fresh command token, signed with a key that the fleet document names, for the audience `aggregator`.",
  },
  "not-your-shipment": {
    status: 403,
    title: "A cell ships for itself only",
    todo: "Sign the shipment with the key of the cell that it names.",
  },
  "unknown-query": {
    status: 404,
    title: "There is no such query",
    todo: "Ask for an aggregate that the application declares; a release's manifest names them (`cellplane release list --json`).",
  },
  "bad-span": {
    status: 400,
    title: "That span of time cannot be asked for",
    todo: "Give `from` before `to`, at most the retention time apart.",
  },
  incomplete: {
    status: 503,
    title: "Not every cell is in the answer",
    todo: "Ask again when the cells named in `coverage` are back, or with completeness=best_effort.",
  },
  "database-unreachable": {
    status: 503,
    title: "The aggregator's database does not answer",
    todo: "It is tried again with each request; look at the log of `aggregator-postgres`.",
  },
  "fleet-unknown": {
    status: 503,
    title: "The fleet document has not arrived yet",
    todo: "Which cells there are is not known before; it comes from the control plane, or from disk after a first start.",
  },
} as const satisfies ErrorTable;

export const aggregatorError = errorsOf(aggregatorErrors);
