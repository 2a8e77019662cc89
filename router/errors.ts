import { errorsOf } from "../common/errors.ts";
import { httpErrors } from "../common/http/errors.ts";

/** What the router itself answers to tenants. A cell's own errors pass through untouched. */
export const routerErrors = {
  "malformed-request": {
    status: 400,
    title: "The request is not unambiguous HTTP",
    todo: "Send a request as RFC 9112 describes it; detail says what is wrong.",
  },
  "invalid-key": {
    status: 401,
    title: "The API key is not valid here",
    todo: "Send a key of this tenant as `Authorization: Bearer cpk_…`; check that it has not been revoked.",
  },
  "tenant-suspended": {
    status: 403,
    title: "The tenant is suspended",
    todo: "Ask the operator; the reason stands in detail.",
  },
  "unknown-tenant": {
    status: 404,
    title: "There is no such tenant",
    todo: "Check the host's first label against the tenant's slug.",
  },
  "slow-request": httpErrors["slow-request"],
  "body-too-large": httpErrors["body-too-large"],
  "address-too-long": httpErrors["address-too-long"],
  "expectation-failed": httpErrors["expectation-failed"],
  "rate-limited": {
    status: 429,
    title: "Too many requests",
    todo: "Wait for the seconds in Retry-After; the RateLimit fields tell the limit.",
  },
  "head-too-large": httpErrors["head-too-large"],
  "internal-error": httpErrors["internal-error"],
  "method-not-supported": {
    status: 501,
    title: "This method is not passed on",
    todo: "Use a registered method; TRACE and CONNECT are never passed on.",
  },
  "answer-lost": {
    status: 502,
    title: "The connection to the cell broke before it answered",
    todo: "The request may have been carried out: ask, or send it again with the same idempotency key.",
  },
  "table-stale": {
    status: 503,
    title: "Not known here, and the table is not current",
    todo: "Try again after the seconds in Retry-After.",
  },
  "tenant-provisioning": {
    status: 503,
    title: "This tenant is being set up",
    todo: "Try again after the seconds in Retry-After.",
  },
  "tenant-busy": {
    status: 503,
    title: "Too many requests of this tenant at once",
    todo: "Wait for answers before sending more.",
  },
  "tenant-frozen": {
    status: 503,
    title: "The tenant's writes are frozen for a moment",
    todo: "Try again after the seconds in Retry-After; nothing has been carried out.",
  },
  "owner-unknown": {
    status: 503,
    title: "The tenant's owner cannot be told at this moment",
    todo: "Try again after the seconds in Retry-After; nothing has been carried out.",
  },
  "not-replayable": {
    status: 503,
    title: "The request went to the wrong place and is too large to be sent again",
    todo: "Send it again; nothing has been carried out.",
  },
  "cell-busy": {
    status: 503,
    title: "The tenant's cell has all it can do",
    todo: "Try again after the seconds in Retry-After.",
  },
  "cell-unavailable": {
    status: 503,
    title: "The tenant's cell cannot serve now",
    todo: "Try again after the seconds in Retry-After; nothing has been carried out.",
  },
  "cell-timeout": {
    status: 504,
    title: "The tenant's cell took too long to answer",
    todo: "The request may have been carried out: ask, or send it again with the same idempotency key.",
  },
  "version-not-supported": { status: 505, title: "This version of HTTP is not spoken here", todo: "Use HTTP/1.1." },
} as const;

export type RouterErrorCode = keyof typeof routerErrors;
export const fail = errorsOf(routerErrors);
