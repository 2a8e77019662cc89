import { errorsOf, type ErrorTable } from "../../common/errors.ts";

/** What a cell may answer beside what its application and HTTP itself do. */
export const cellErrors = {
  "assertion-refused": {
    status: 401,
    title: "This request bears no valid word of a router",
    todo: "Send the request through the router; a cell serves nobody directly.",
  },
  "clock-skew": {
    status: 503,
    title: "The cell's clock and its routers' clocks differ too much",
    todo: "Try again after the seconds in Retry-After. An operator sets the clock of the machine that the cell's readiness names.",
  },
  "key-required": {
    status: 401,
    title: "This address needs an API key",
    todo: "Send `Authorization: Bearer cpk_…` with a key of this tenant.",
  },
  "not-owned-here": {
    status: 421,
    title: "This cell does not own the tenant at that epoch",
    todo: "Follow the release record, or the fleet document; nothing of the request was executed.",
  },
  "tenant-suspended": {
    status: 403,
    title: "The tenant is suspended",
    todo: "Ask the operator of the service; detail says why, where a reason was given.",
  },
  "tenant-frozen": {
    status: 503,
    title: "The tenant's writes are frozen for a moment",
    todo: "Try again after the seconds in Retry-After; reads go on.",
  },
  "slot-not-live": {
    status: 503,
    title: "Another slot of this cell serves",
    todo: "Send the request to the slot named in Cellplane-Slot.",
  },
  "cell-unavailable": {
    status: 503,
    title: "The tenant's cell cannot serve now",
    todo: "Try again after the seconds in Retry-After; it recovers by itself.",
  },
  "disk-nearly-full": {
    status: 503,
    title: "The cell's disk is nearly full",
    todo: "Reading goes on. Try the write again after the seconds in Retry-After; the cell takes writes by itself once there is room.",
  },
  "incarnation-unconfirmed": {
    status: 503,
    title: "The cell does not know whether this is its own life",
    todo: "Nothing to do for a client. An operator has the registry confirm or drop each lease after a restore or a promotion.",
  },
  "trust-unknown": {
    status: 503,
    title: "The cell has not yet learned whom to trust",
    todo: "Try again after the seconds in Retry-After; the cell waits for its first fleet document.",
  },
  "outbox-full": {
    status: 503,
    title: "Too many jobs wait already",
    todo: "Try again after the seconds in Retry-After; nothing of the transaction was kept. What needs no new job is served as ever.",
  },
  "unknown-dead-letter": {
    status: 404,
    title: "The tenant has no such dead letter",
    todo: "List the tenant's dead letters; one that was replayed or discarded is none any more.",
  },
  "transaction-too-long": {
    status: 503,
    title: "The transaction took too long and was rolled back",
    todo: "Ask for less at once; a tenant's transaction lasts at most five seconds.",
  },
  "text-not-storable": {
    status: 400,
    title: "A text holds characters that cannot be stored",
    todo: "Send text without U+0000 and without lone surrogates.",
  },
  "idempotency-key-malformed": {
    status: 400,
    title: "The Idempotency-Key cannot be read",
    todo: "Send 1 to 255 visible characters of ASCII, best a UUID, in double quotes or without.",
  },
  "idempotency-key-required": {
    status: 400,
    title: "This address needs an Idempotency-Key",
    todo: "Send the header Idempotency-Key with a new UUID for each new request, and the same one when you try again.",
  },
  "idempotency-key-unsupported": {
    status: 400,
    title: "This address takes no Idempotency-Key",
    todo: "Send the request without one; it may then be carried out twice if it is sent twice.",
  },
  "idempotency-key-in-progress": {
    status: 409,
    title: "A request with this Idempotency-Key is being carried out",
    todo: "Send the same request again after the seconds in Retry-After; it gets the first one's answer.",
  },
  "idempotency-answer-lost": {
    status: 409,
    title: "The request was carried out, but its answer is not kept",
    todo: "Read what it has changed; sending it again will not carry it out again.",
  },
  "idempotency-key-reused": {
    status: 422,
    title: "The Idempotency-Key belongs to another request",
    todo: "Use a new key for a new request; a key stands for one method, address and body for a day.",
  },
  "cursor-refused": {
    status: 400,
    title: "The cursor is none of this list's",
    todo: "Send `nextCursor` of the page before, unchanged, with the same filters; or begin without a cursor.",
  },
  "precondition-failed": {
    status: 412,
    title: "It has changed since you read it",
    todo: "Read it again, apply your change to what it is now, and send the new ETag in If-Match.",
  },
  "precondition-required": {
    status: 428,
    title: "Say which version you change",
    todo: "Send the ETag that you read in If-Match, so that nobody else's change is lost.",
  },
  "websocket-expected": {
    status: 426,
    title: "This address speaks WebSocket",
    todo: "Open it as a WebSocket (Upgrade: websocket).",
  },
  "websocket-not-here": {
    status: 400,
    title: "This address does not speak WebSocket",
    todo: "Send an ordinary request, without Upgrade.",
  },
  "too-many-streams": {
    status: 429,
    title: "Too many streams of this tenant are open",
    todo: "Close one before opening another; detail says how many there may be.",
  },
  "streams-ending": {
    status: 503,
    title: "This process opens no streams any more",
    todo: "Open it again after the seconds in Retry-After; nothing of it was carried out.",
  },
  "command-token-refused": {
    status: 401,
    title: "This call bears no valid command token",
    todo: "Sign a command token for this cell with the key of a part whose role allows the call.",
  },
  "no-lease": {
    status: 404,
    title: "This cell holds no lease of that tenant",
    todo: "It is the cell's own word. Look for the tenant in the fleet document.",
  },
  "grant-refused": {
    status: 409,
    title: "The grant is not accepted",
    todo: "The cell holds the tenant at a higher epoch, or said before that it will never accept this grant.",
  },
  "lease-held": {
    status: 409,
    title: "The cell holds a lease of that tenant",
    todo: "A grant that was accepted cannot be refused any more; place the tenant where it is.",
  },
  "lease-busy": {
    status: 503,
    title: "The tenant's writers did not let go in time",
    todo: "Try again in a moment; nothing was changed.",
  },
  "lease-moved-on": {
    status: 409,
    title: "The lease is not as this step expects it",
    todo: "Read the lease and decide again; detail says what the cell holds.",
  },
  "attempt-outranked": {
    status: 409,
    title: "A newer attempt has begun",
    todo: "Stop: this step belongs to an older try, or to another operation. A new try takes the next attempt number from the owner's cell.",
  },
  "record-refused": {
    status: 409,
    title: "The release record does not open this lease",
    todo: "Bring the record that the tenant's source signed for this cell, this operation and the freeze under which the lease became ready.",
  },
  "confirmation-refused": {
    status: 409,
    title: "The cell cannot confirm the leases so",
    todo: "Read GET /v1/incarnation and GET /v1/leases, and confirm each unconfirmed lease at a higher epoch, or drop it.",
  },
  "slot-moved": {
    status: 409,
    title: "Another slot is live than the switch expects",
    todo: "Read the cell's status and decide again.",
  },
  "claim-outranked": {
    status: 409,
    title: "A newer claim holds this cell",
    todo: "Stop: another operation, or a direct command, has taken the cell over.",
  },
  "unknown-aggregate": {
    status: 404,
    title: "The application has no such aggregate",
    todo: "Use one of the names in the release's manifest.",
  },
  "too-many-at-once": {
    status: 429,
    title: "Too many requests of this tenant wait at once",
    todo: "Wait for answers before sending more; nothing of the request was executed.",
  },
  "migration-blocked": {
    status: 503,
    title: "The migration did not get its locks",
    todo: "Look for what holds the table for long (pg_stat_activity, pg_locks) and begin again; nothing of this migration was kept.",
  },
  "migration-refused": {
    status: 409,
    title: "The schema cannot be migrated so",
    todo: "See detail: a number released once keeps its content, and contract or irreversible steps must be asked for.",
  },
} as const satisfies ErrorTable;

export const cellError = errorsOf(cellErrors);
