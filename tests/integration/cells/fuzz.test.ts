import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { sendBytes } from "../router/client.ts";
import { CellUnderTest, type TestTenant } from "./cell-under-test.ts";

// Whatever comes, the answer is one of HTTP's own below 500, and what is refused says why in a problem document.

let cell: CellUnderTest;
let acme: TestTenant;
let assertion = { text: "", madeAt: Number.NEGATIVE_INFINITY };
let cursor = "";
let port = 0;
const seen = new Map<string, Map<number, number>>();

before(async () => {
  cell = await CellUnderTest.start();
  const release = await cell.release("cells/pulse", "1");
  acme = cell.addTenant("acme");
  await cell.migrate(release);
  await cell.startApi(release, "a", 60_000);
  assert.equal((await cell.grant(acme)).status, 200);
  const secret = { method: "PUT", body: { secret: "s3cret" } };
  assert.equal((await cell.call(acme, "/v1/hooks/github/secret", secret)).status, 204);
  const events = ["a", "b", "c"].map((id) => ({ id, type: "t", user: "u", at: "2026-03-01T00:00:00Z" }));
  assert.equal((await cell.call(acme, "/v1/events", { body: { events } })).status, 202);
  cursor = String((await cell.call(acme, "/v1/events?limit=1")).body["nextCursor"]);
  port = Number(new URL(cell.url()).port);
});
after(async () => cell.stop());

interface Sent {
  readonly method: string;
  readonly target: string;
  readonly fields: readonly (readonly [string, string])[];
  readonly body: Buffer;
}

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "QUERY", "get"];
const paths = [
  "/v1/events",
  "/v1/events/a",
  "/v1/stats",
  "/v1/hooks/github",
  "/v1/hooks/github/secret",
  "/",
  "/v1",
  "*",
];

const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc.constantFrom(
    "",
    "\u0000",
    "\ud800",
    "__proto__",
    "constructor",
    "' OR 1=1 --",
    "a".repeat(300),
    "NaN",
    "-1",
    "1e400",
  ),
);
const anyMoment = fc.oneof(
  fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
  fc.constantFrom(
    "2026-03-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-12-31T23:59:60Z",
    "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999999Z",
    "2026-03-01t00:00:00+23:59",
    "2026-03-01",
    "infinity",
    "now",
  ),
  anyText,
);
const anyNumber = fc.oneof(fc.double(), fc.integer(), fc.constantFrom(1e308, 5e-324, -0, 2 ** 53));
const anyEvent = fc.record(
  {
    id: anyText,
    type: anyText,
    user: anyText,
    at: anyMoment,
    value: fc.oneof(anyNumber, fc.jsonValue()),
    properties: fc.oneof(fc.dictionary(anyText, fc.jsonValue({ depthSize: "medium" })), fc.jsonValue()),
  },
  { requiredKeys: ["id", "at"] },
);
const goodEvent = fc.record({
  id: fc.string({ minLength: 1, maxLength: 20, unit: "grapheme-ascii" }),
  type: fc.constantFrom("login", "click"),
  user: fc.constantFrom("ann", "bob"),
  at: fc.constant("2026-03-01T00:00:00Z"),
  value: anyNumber,
});
const anyBody: fc.Arbitrary<Buffer> = fc.oneof(
  fc.record({ events: fc.array(goodEvent, { minLength: 1, maxLength: 4 }) }).map(jsonOf),
  fc.record({ events: fc.array(anyEvent, { maxLength: 4 }) }).map(jsonOf),
  fc.record({ secret: anyText }).map(jsonOf),
  fc.jsonValue({ depthSize: "large" }).map(jsonOf),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  // JSON with a few bytes changed.
  fc.tuple(fc.array(goodEvent, { maxLength: 2 }), fc.nat(), fc.nat(255)).map(([events, where, byte]) => {
    const bytes = jsonOf({ events });
    bytes[where % bytes.length] = byte;
    return bytes;
  }),
  fc.integer({ min: 60, max: 70_000 }).map((depth) => Buffer.from('{"a":['.repeat(depth))),
);

function jsonOf(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

const anyCursor = fc.oneof(
  anyText,
  fc.constant("").map(() => cursor),
  fc.tuple(fc.oneof(anyMoment, fc.jsonValue()), fc.oneof(anyText, fc.jsonValue())).map((key) => {
    const [version, scope] = JSON.parse(Buffer.from(cursor, "base64url").toString()) as unknown[];
    return Buffer.from(JSON.stringify([version, scope, key])).toString("base64url");
  }),
  fc.jsonValue().map((value) => Buffer.from(JSON.stringify(value)).toString("base64url")),
);
const anyParameter = fc.oneof(
  fc.tuple(fc.constant("cursor"), anyCursor),
  fc.tuple(fc.constantFrom("from", "to"), anyMoment),
  fc.tuple(fc.constant("limit"), fc.oneof(fc.integer().map(String), anyText)),
  fc.tuple(fc.constant("bucket"), fc.constantFrom("minute", "hour", "day", "week", "")),
  fc.tuple(fc.constant("order"), fc.constantFrom("newest", "oldest", "at; DROP TABLE events")),
  fc.tuple(anyText, anyText),
);
const anyTarget = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...paths) },
  {
    weight: 4,
    arbitrary: fc.tuple(fc.constantFrom(...paths), fc.array(anyParameter, { maxLength: 4 })).map(withQuery),
  },
  { weight: 2, arbitrary: anyText.map((id) => `/v1/events/${encoded(id)}`) },
  // Bytes that no client should send.
  { weight: 1, arbitrary: fc.string({ unit: "grapheme-ascii", maxLength: 60 }).map((text) => `/${text}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("/%", "/%zz", "/v1/events/%ff", "//x", "/..", "/v1/events?%", "http://a/v1/stats"),
  },
);

function withQuery([path, parameters]: [string, readonly (readonly [string, string])[]]): string {
  return `${path}?${parameters.map(([name, value]) => `${encoded(name)}=${encoded(value)}`).join("&")}`;
}

function encoded(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

const anyField = fc.oneof(
  fc.tuple(
    fc.constant("content-type"),
    fc.constantFrom(
      "application/json",
      "application/json; charset=utf-16",
      "text/plain",
      "application/x-www-form-urlencoded",
      "",
      "a/b/c",
      "application/json, text/plain",
    ),
  ),
  fc.tuple(
    fc.constantFrom(
      "idempotency-key",
      "if-none-match",
      "if-match",
      "last-event-id",
      "accept",
      "cookie",
      "x-request-id",
    ),
    fc.oneof(fc.constantFrom("k1", '"k2"', "*", 'W/"x", "y"'), fc.string({ unit: "grapheme-ascii", maxLength: 30 })),
  ),
  fc.tuple(fc.constant("x-github-event"), fc.string({ unit: "grapheme-ascii", maxLength: 120 })),
  fc.tuple(
    fc.constantFrom("upgrade", "expect", "te", "range", "content-encoding"),
    fc.constantFrom("websocket", "h2c", "100-continue", "gzip"),
  ),
);

const anyRequest: fc.Arbitrary<Sent> = fc.record({
  method: fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom("GET", "POST") },
    { weight: 3, arbitrary: fc.constantFrom(...methods) },
  ),
  target: anyTarget,
  fields: fc.array(anyField, { maxLength: 4 }),
  body: fc.oneof({ weight: 2, arbitrary: fc.constant(Buffer.alloc(0)) }, { weight: 3, arbitrary: anyBody }),
});
/** A hook as GitHub sends it. */
function signed(body: Buffer, type: string, delivery: string): Sent["fields"] {
  return [
    ["content-type", type],
    ["x-github-event", "push"],
    ["x-github-delivery", delivery],
    ["x-hub-signature-256", `sha256=${createHmac("sha256", "s3cret").update(body).digest("hex")}`],
  ];
}

/** Each route once as it should be and once not, so that the rest is known to have come near. */
const good = jsonOf({ events: [{ id: "g", type: "t", user: "u", at: "2026-03-01T00:00:00Z" }] });
const nothing = Buffer.alloc(0);
const asJson = [["content-type", "application/json"]] as const;
const examples: [Sent][] = [
  [{ method: "POST", target: "/v1/events", fields: asJson, body: good }],
  [{ method: "POST", target: "/v1/events", fields: asJson, body: jsonOf({}) }],
  [{ method: "PUT", target: "/v1/hooks/github/secret", fields: asJson, body: jsonOf({ secret: "s3cret" }) }],
  [{ method: "PUT", target: "/v1/hooks/github/secret", fields: asJson, body: jsonOf({}) }],
  [{ method: "POST", target: "/v1/hooks/github", fields: signed(good, "application/json", "g"), body: good }],
  [
    {
      method: "POST",
      target: "/v1/hooks/github",
      fields: signed(jsonOf([]), "application/json", "g"),
      body: jsonOf([]),
    },
  ],
  [{ method: "GET", target: "/v1/events?limit=1", fields: [], body: nothing }],
  [{ method: "GET", target: "/v1/events?limit=0", fields: [], body: nothing }],
  [{ method: "GET", target: "/v1/stats?bucket=day", fields: [], body: nothing }],
  [{ method: "GET", target: "/v1/stats?bucket=week", fields: [], body: nothing }],
];

/** What a route expects, but for its body or its query. */
const nearlyRight: fc.Arbitrary<Sent> = fc.oneof(
  anyBody.map((body) => ({
    method: "POST",
    target: "/v1/events",
    fields: [["content-type", "application/json"]] as const,
    body,
  })),
  anyBody.map((body) => ({
    method: "PUT",
    target: "/v1/hooks/github/secret",
    fields: [["content-type", "application/json"]] as const,
    body,
  })),
  fc
    .tuple(anyBody, fc.constantFrom("application/json", "application/x-www-form-urlencoded"), anyText)
    .map(([body, type, delivery]) => ({
      method: "POST",
      target: "/v1/hooks/github",
      fields: signed(body, type, encoded(delivery).slice(0, 90) || "d"),
      body,
    })),
  fc.tuple(fc.constantFrom("/v1/events", "/v1/stats"), fc.array(anyParameter, { maxLength: 2 })).map((parts) => ({
    method: "GET",
    target: withQuery(parts),
    fields: [] as const,
    body: Buffer.alloc(0),
  })),
);

function bytesOf(request: Sent): Buffer {
  const fields = [
    ["host", "c"],
    ["cellplane-assertion", assertion.text],
    ["connection", "close"],
    ...request.fields,
  ] as const;
  const head = [
    `${request.method} ${request.target} HTTP/1.1`,
    ...fields.map(([name, value]) => `${name}: ${value}`),
    ...(request.body.length > 0 ? [`content-length: ${request.body.length}`] : []),
  ];
  return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`, "utf8"), request.body]);
}

/** An assertion lives a minute; these tests may take longer. */
async function renewAssertion(): Promise<void> {
  if (performance.now() - assertion.madeAt < 20_000) return;
  assertion = { text: await cell.assertion(acme), madeAt: performance.now() };
}

async function holds(request: Sent): Promise<void> {
  await renewAssertion();
  const { text } = await sendBytes(port, bytesOf(request), 20_000);
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? "0");
  const what = `${request.method} ${request.target}: ${text.slice(0, 600)}`;
  assert.ok(status >= 100 && status < 500, what);
  const route = `${request.method} ${request.target.split("?", 1)[0]}`;
  const statuses = seen.get(route) ?? new Map<number, number>();
  seen.set(route, statuses.set(status, (statuses.get(status) ?? 0) + 1));
  if (status < 400) return;
  assert.match(text, /\r\ncontent-type: application\/problem\+json/i, what);
  if (request.method === "HEAD") return;
  const problem = JSON.parse(text.slice(text.indexOf("{"))) as Record<string, unknown>;
  assert.equal(problem["status"], status, what);
  for (const member of ["type", "title", "code", "detail", "todo"])
    assert.equal(typeof problem[member], "string", what);
}

/** What this machine manages in half a minute: more runs find more, but a slow machine is no failure. */
const bounded = { plugins: [fc.interruptAfterTimeLimit(30_000)] };

test("no request, however wrong, is answered with a 5xx or without a problem document", async () => {
  await fc.assert(fc.asyncProperty(anyRequest, holds), { ...bounded, numRuns: 1_000 });
});

test("no request that is nearly right is either", async () => {
  await fc.assert(fc.asyncProperty(nearlyRight, holds), { ...bounded, numRuns: 1_000, examples });
  // The nearly right ones did reach the routes, on both sides of right.
  for (const [route, statuses] of [
    ["POST /v1/events", [202, 400]],
    ["GET /v1/events", [200, 400]],
    ["GET /v1/stats", [200, 400]],
    ["PUT /v1/hooks/github/secret", [204, 400]],
    ["POST /v1/hooks/github", [202, 400]],
  ] as const)
    for (const status of statuses)
      assert.ok(
        seen.get(route)?.has(status),
        `${route} was ${JSON.stringify([...(seen.get(route) ?? [])])}, never ${status}`,
      );
});

test("no bytes at all make the process fall over, and it serves on", async () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 400 }).map((raw) => Buffer.from(raw)),
    fc.tuple(anyRequest, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 8 })).map(([request, where, raw]) => {
      const good = bytesOf(request);
      good.set(raw.subarray(0, good.length), where % Math.max(1, good.length - raw.length));
      return good;
    }),
  );
  await fc.assert(
    fc.asyncProperty(bytes, async (sent) => {
      await renewAssertion();
      // What is cut short is waited for by the server; the answer to all else is there at once.
      const { text } = await sendBytes(port, Buffer.concat([sent, Buffer.from("\r\n\r\n")]), 300);
      assert.doesNotMatch(text, /^HTTP\/1\.1 5/, text.slice(0, 600));
    }),
    { ...bounded, numRuns: 300 },
  );
  assert.equal((await cell.call(acme, "/v1/stats")).status, 200);
  assert.doesNotMatch(await cell.logOf("api", "a"), /"event":"request-failed"|uncaught/i);
});
