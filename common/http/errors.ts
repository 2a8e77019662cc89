import { errorsOf } from "../errors.ts";

/** What any of our HTTP servers may answer, whatever its part. */
export const httpErrors = {
  "malformed-json": {
    status: 400,
    title: "The body is not valid JSON",
    todo: "Send well-formed JSON in UTF-8 with content-type application/json.",
  },
  "invalid-request": {
    status: 400,
    title: "The request does not fit the schema",
    todo: "Correct the members named in detail; unknown members and wrong types are refused, nothing is coerced.",
  },
  "malformed-request": {
    status: 400,
    title: "The request is not unambiguous HTTP",
    todo: "Send a request as RFC 9112 describes it; detail says what is wrong.",
  },
  "not-found": {
    status: 404,
    title: "There is nothing at this address",
    todo: "Check the path against the API's OpenAPI document.",
  },
  "method-not-allowed": {
    status: 405,
    title: "This address does not know that method",
    todo: "Use one of the methods in the Allow header.",
  },
  "body-too-large": {
    status: 413,
    title: "The body is too large",
    todo: "Send less at once; the limit stands in detail.",
  },
  "address-too-long": {
    status: 414,
    title: "The address is too long",
    todo: "Shorten the path; no id or name here is that long.",
  },
  "unsupported-media-type": {
    status: 415,
    title: "That content type is not understood here",
    todo: "Send application/json.",
  },
  "slow-request": {
    status: 408,
    title: "The request took too long to arrive",
    todo: "Send the whole request without pauses.",
  },
  "expectation-failed": {
    status: 417,
    title: "That expectation cannot be met",
    todo: "Send no Expect header but `100-continue`.",
  },
  "head-too-large": {
    status: 431,
    title: "The request's head is too large",
    todo: "Send fewer or shorter header fields; 16 KiB are taken.",
  },
  unauthenticated: { status: 401, title: "Who are you?", todo: "Send a valid credential." },
  "internal-error": {
    status: 500,
    title: "Something went wrong here",
    todo: "Try again; if it stays, report the request id.",
  },
  unavailable: { status: 503, title: "Not able to answer now", todo: "Try again after the seconds in Retry-After." },
} as const;

export const httpError = errorsOf(httpErrors);
