/** Something that goes wrong by itself, or that somebody does to us. */
export const kinds = ["fault", "attack"] as const;
export type Kind = (typeof kinds)[number];

export interface Trouble {
  readonly number: number;
  /** What happens, or what is sent. */
  readonly what: string;
  /** What must hold then. */
  readonly must: string;
}

/** Faults, by number: a number once given keeps its meaning. */
const faults: readonly (readonly [what: string, must: string])[] = [
  ["a router of two is killed (-9)", "the other one serves; only requests in flight fail, and it is back within 2 s"],
  ["the control plane is dead for half an hour", "tenants notice nothing"],
  [
    "control plane, its database and Temporal are dead; every router and cell is restarted",
    "they boot from the signed table on disk and serve without an error",
  ],
  ["a cell's API is killed (-9)", "only that cell's tenants see it; others have no error and their p99 stays"],
  ["a queue worker is killed (-9) within a job", "the job runs again, its effect is there once, within a minute"],
  ["the Temporal worker is killed (-9) within each activity", "the operation ends as it would have"],
  ["Temporal is down for ten minutes", "tenants notice nothing; operations end within 2 min of its return"],
  [
    "a cell's PostgreSQL is killed (-9)",
    "503 with Retry-After, then it recovers unaided; no acknowledged write is lost",
  ],
  [
    "a cell is restored from a backup, also from one of before a move",
    "it serves and runs nothing until each lease is confirmed at a new epoch or dropped; one owner a tenant; the loss is measured and told",
  ],
  ["a cell's Redis is killed (-9)", "writes go on, no tenant sees an error, no job is lost"],
  ["FLUSHALL on a cell's Redis", "the queue is rebuilt from the outbox within a minute"],
  [
    "a cell's Redis is full",
    "writes go on; the backlog and its age raise an alarm; 503 only beyond the outbox's bound, nothing is dropped silently",
  ],
  [
    "a cell takes packets and answers nothing",
    "the breaker opens within 2 s, then refuses at once; others notice nothing",
  ],
  [
    "a router is cut off from the control plane",
    "it serves on from its table, shows the table's age, alarms within a minute",
  ],
  ["a cell answers after 5 s", "the cap on its requests in flight keeps the others' p99"],
  ["every health check fails", "routing goes on; health checks alone take no cell out and touch no DNS"],
  ["a cell answers nothing but 503", "tries stay within 1.2 times the requests"],
  ["the signed table arrives empty, corrupt, oversized or badly signed", "the last good one is kept, with an alarm"],
  ["an older table arrives late", "it is ignored: generations never fall"],
  ["a delayed worker applies an old DNS plan", "it is refused; no name is ever empty or older"],
  ["Route 53 throttles", "the plan backs off, batches, and converges"],
  [
    "a process's clock is ten minutes off",
    "ownership holds; a cell that refuses every assertion says why, is not ready, alarms",
  ],
  ["a poison job", "bounded tries, then a dead letter; others keep 90 % of their throughput"],
  ["one tenant sends fifty times its rate", "it gets its own 429s; others have no error, and p99 within 1.5 times"],
  ["a cell's disk is nearly full", "read-only 503s before PostgreSQL would stop; it recovers unaided"],
  [
    "a mover is killed before and after each of its steps",
    "the move resumes or aborts, the invariants hold at each point",
  ],
  [
    "everything that operates dies within a freeze",
    "the source thaws itself at the deadline; the late release is refused",
  ],
  [
    "everything that operates dies between release and activation",
    "the first request to come activates the destination with the release record; the source takes no write",
  ],
  [
    "a router is stale after a release",
    "one redirect by the cell's signed word; nothing is read or written at the wrong cell",
  ],
  ["a writer stands still (SIGSTOP) across the cutover", "the fence refuses it: nothing commits at the old epoch"],
  ["a bad release in the first wave", "it is stopped and rolled back; one cell at most is touched"],
  ["the rollout's worker is killed between waves", "the rollout resumes; no cell is left out or done twice"],
  ["the aggregator is asked while a cell is dead", "a partial answer in time, which names the missing cell"],
  [
    "the supervisor is killed (-9), then a cell's API",
    "processes run on; the next supervisor adopts them and restarts the API; none twice, none orphaned",
  ],
  [
    "the registry is restored from before tenants were made and moved",
    "placements come from the cells' leases under a new term; the old word is refused",
  ],
  ["a migration meets a busy table", "it gives up in 2 s, tries again, then stops the rollout; tenants see no error"],
  ["a freeze under 300 overlapping writes a second of one tenant", "frozen within 500 ms, every time"],
];

/** Attacks and bad input, by number. */
const attacks: readonly (readonly [what: string, must: string])[] = [
  ["a client sends our internal headers, in any spelling", "they are stripped"],
  ["`Connection:` names an internal header, to have it removed", "the router's header survives"],
  ["a cell is called directly, without an assertion", "401"],
  ["an assertion of one cell at another", "401"],
  ["an assertion of an old epoch", "421 with the cell's signed word"],
  ["an assertion with `alg: none`, another algorithm, a key of its own", "401"],
  ["an API key of another tenant, revoked, or in the address", "401; only digests are stored"],
  ["the id of another tenant's object", "404, word for word as for one that is not there"],
  ["two Host headers, or an absolute target that names another", "400"],
  ["`X-Forwarded-*` from outside of the trusted ranges", "ignored"],
  [
    "Content-Length with Transfer-Encoding, differing lengths, bare line feeds, folded fields",
    "400, and the connection is closed",
  ],
  ["`..`, `%2e%2e`, `//host` in the target", "400; `%252e` stays as it is"],
  ["`__proto__` and `constructor.prototype` in a body", "400"],
  ["a megabyte of nested brackets", "400 by the limit of depth"],
  ["a body or head that is too large", "413, 431"],
  ["a head or body sent drop by drop", "408 within 30 s"],
  ['`"1"` for an integer, an unknown member', "400: nothing is coerced or dropped"],
  ["the wrong method", "405 with Allow"],
  ["invalid JSON, invalid UTF-8", "400; no input gives a 5xx"],
  ["a regular expression from a user", "refused"],
  ["a cell's address that points at metadata, an admin port, a redirect", "422; resolved, checked, pinned"],
  ["SQL in a sort or filter", "400, and no error in the database"],
  ["a pooled connection with another tenant's setting", "no row of the other tenant"],
  ["an application role that owns a table or passes by row-level security", "refused at start and in CI"],
  ["a superuser's view, a function with its owner's rights", "refused at start and in CI"],
  ["probing across tenants by foreign or unique keys", "tenant_id is in every key"],
  ["one cell's database or Redis credentials at another", "refused"],
  ["a viewer drains, approves or moves", "403, and an entry in the audit"],
  ["an audit row is changed, cut or dropped", "the verifier names the first bad one"],
  ["an idempotency key with another body", "422; keys are a tenant's own and move with it"],
  ["many keys or addresses, to get round the rate limit", "429: the limit is the tenant's"],
  ["a script in a tenant's name, framing, requests across sites", "refused by policy, SameSite and token"],
  ["a secret as canary", "found in no log, error, history, queue or Redis"],
  ["a lockfile that names a foreign address, an unexpected install script", "CI fails"],
];

const numbered = (rows: typeof faults): readonly Trouble[] =>
  rows.map(([what, must], index) => ({ number: index + 1, what, must }));

export const troubles: Readonly<Record<Kind, readonly Trouble[]>> = {
  fault: numbered(faults),
  attack: numbered(attacks),
};
