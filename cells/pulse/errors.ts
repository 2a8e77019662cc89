import { errorsOf, type ErrorTable } from "../kit/kit.ts";

/** What Pulse refuses, beside what the kit does. */
export const pulseErrors = {
  "event-from-the-future": {
    status: 400,
    title: "An event lies more than a day ahead",
    todo: "Correct the event's `at`, or the clock of the machine that made it.",
  },
  "moment-not-real": {
    status: 400,
    title: "A date does not exist",
    todo: "Send RFC 3339 date-times between the years 1970 and 9999, e.g. 2026-01-31T12:00:00Z.",
  },
  "properties-too-large": {
    status: 400,
    title: "An event's properties are too large",
    todo: "Keep an event's properties below 8 KiB of JSON.",
  },
  "text-not-well-formed": {
    status: 400,
    title: "A text is not well-formed Unicode",
    todo: "Send text without U+0000 and without lone surrogates.",
  },
  "no-such-event": {
    status: 404,
    title: "There is no such event",
    todo: "Check the id. Events are kept as long as the service's retention says.",
  },
  "range-reversed": { status: 400, title: "The range is empty", todo: "`from` must lie before `to`." },
  "too-many-buckets": {
    status: 400,
    title: "The range holds too many buckets",
    todo: "Ask for a shorter range or larger buckets; an answer holds at most 10,000.",
  },
  "hook-secret-missing": {
    status: 401,
    title: "No secret is set for this hook",
    todo: "Set the secret with PUT /v1/hooks/github/secret, the same as at GitHub.",
  },
  "hook-signature-refused": {
    status: 401,
    title: "The hook's signature does not fit",
    todo: "Check that GitHub and Cellplane hold the same secret.",
  },
  "hook-malformed": {
    status: 400,
    title: "This is not what GitHub sends",
    todo: "Send a JSON object, or a form with the field `payload`.",
  },
} as const satisfies ErrorTable;

export const pulseError = errorsOf(pulseErrors);
