import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, test } from "node:test";
import { CellUnderTest, type TestTenant } from "./cell-under-test.ts";
import { until, type Answer } from "./http-call.ts";

let cell: CellUnderTest;
let acme: TestTenant;
let other: TestTenant;

before(async () => {
  cell = await CellUnderTest.start();
  const release = await cell.release("cells/pulse", "1");
  acme = cell.addTenant("acme");
  other = cell.addTenant("other");
  await cell.migrate(release);
  await cell.startApi(release);
  await cell.startWorker(release);
  for (const tenant of [acme, other]) assert.equal((await cell.grant(tenant)).status, 200);
});
after(async () => cell.stop());

interface MadeEvent {
  readonly id: string;
  readonly type: string;
  readonly user: string;
  readonly at: string;
  readonly value?: number;
}

const post = (tenant: TestTenant, events: readonly MadeEvent[]): Promise<Answer> =>
  cell.call(tenant, "/v1/events", { body: { events } });

test("events come back in the stats of the same moment, and only to their tenant", async () => {
  const at = new Date().toISOString();
  const answer = await post(acme, [
    { id: "a1", type: "login", user: "ann", at, value: 10 },
    { id: "a2", type: "login", user: "bob", at, value: 20 },
    { id: "a3", type: "purchase", user: "ann", at },
  ]);
  assert.deepEqual([answer.status, answer.body], [202, { accepted: 3, duplicates: 0 }]);
  assert.equal(answer.headers.get("cellplane-release"), "pulse@1");
  const { body } = await cell.call(acme, "/v1/stats");
  assert.equal(body["events"], 3);
  assert.equal(body["activeUsers"], 2);
  assert.deepEqual(body["topTypes"], [
    { type: "login", count: 2 },
    { type: "purchase", count: 1 },
  ]);
  assert.deepEqual(body["quantiles"], { p50: 10, p95: 20, p99: 20 });
  assert.equal((await cell.call(other, "/v1/stats")).body["events"], 0);
});

test("an id seen before is not counted again, within a request, across requests and after the roll-up", async () => {
  const at = new Date().toISOString();
  const twice = { id: "d1", type: "click", user: "dan", at };
  assert.deepEqual((await post(other, [twice, twice])).body, { accepted: 1, duplicates: 1 });
  assert.deepEqual((await post(other, [twice])).body, { accepted: 0, duplicates: 1 });
  await rolledUp();
  assert.deepEqual((await post(other, [twice])).body, { accepted: 0, duplicates: 1 });
  assert.equal((await cell.call(other, "/v1/stats")).body["events"], 1);
});

test("stats equal a count by hand, before and after the roll-up, whatever the range", async () => {
  const tenant = acme;
  const start = Date.UTC(2026, 0, 5, 0, 0, 0);
  const events: MadeEvent[] = Array.from({ length: 1_500 }, (_, index) => ({
    id: `m${index}`,
    type: `type-${(index * 7) % 5}`,
    user: `user-${(index * 13) % 97}`,
    at: new Date(start + index * 331_777).toISOString(),
    ...(index % 3 === 0 ? { value: ((index * 37) % 1_000) / 4 - 20 } : {}),
  }));
  for (let from = 0; from < events.length; from += 500) {
    assert.deepEqual((await post(tenant, events.slice(from, from + 500))).body, { accepted: 500, duplicates: 0 });
  }
  const hour = 3_600_000;
  const ranges = [
    [start, start + 140 * hour, "hour"],
    [start + 1_234_567, start + 90 * hour + 7_654_321, "hour"],
    [start + 1_234_567, start + 90 * hour + 7_654_321, "day"],
    [start + 5 * hour, start + 9 * hour, "minute"],
    [start + 100_000, start + 200_000, "hour"],
    [start + 2 * hour, start + 3 * hour, "hour"],
  ] as const;
  const check = async (): Promise<void> => {
    for (const [from, to, bucket] of ranges) {
      const query = String(
        new URLSearchParams({ from: new Date(from).toISOString(), to: new Date(to).toISOString(), bucket }),
      );
      const { status, body } = await cell.call(tenant, `/v1/stats?${query}`);
      assert.equal(status, 200);
      const { asOf: _, ...counted } = body;
      assert.deepEqual(counted, countByHand(events, from, to, bucket), `${bucket} ${query}`);
    }
  };
  await check();
  await rolledUp();
  await check();
});

test("quantiles of more events than are sorted at once stay within one per cent", async () => {
  const start = Date.UTC(2026, 1, 10, 0, 30);
  const values = Array.from({ length: 51_000 }, (_, index) => ((index * 7_919) % 51_000) / 10 + 1);
  for (let from = 0; from < values.length; from += 1_000) {
    const events = values.slice(from, from + 1_000).map((value, index) => ({
      id: `q${from + index}`,
      type: "t",
      user: "u",
      at: new Date(start + (from + index) * 500).toISOString(),
      value,
    }));
    assert.equal((await post(other, events)).status, 202);
  }
  const sorted = values.toSorted((a, b) => a - b);
  const check = async (): Promise<void> => {
    const { body } = await cell.call(other, "/v1/stats?from=2026-02-10T00:00:00Z&to=2026-02-11T00:00:00Z");
    const quantiles = body["quantiles"] as Record<string, number>;
    assert.equal(body["events"], values.length);
    for (const [name, q] of [
      ["p50", 0.5],
      ["p95", 0.95],
      ["p99", 0.99],
    ] as const) {
      const exact = sorted[Math.floor(q * (sorted.length - 1))] ?? 0;
      assert.ok(Math.abs((quantiles[name] ?? 0) - exact) <= exact * 0.0101, `${name}: ${quantiles[name]} for ${exact}`);
    }
  };
  await check();
  await rolledUp();
  await check();
});

test("GitHub's hooks are taken with a valid signature, without an API key, each delivery once", async () => {
  const payload = JSON.stringify({ action: "opened", sender: { login: "octocat" } });
  const hook = (delivery: string, secret: string, body = payload) =>
    cell.call(acme, "/v1/hooks/github", {
      body,
      principal: "anonymous",
      headers: {
        "x-github-event": "issues",
        "x-github-delivery": delivery,
        "x-hub-signature-256": `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`,
      },
    });
  assert.equal((await hook("h1", "s3cret")).body["code"], "hook-secret-missing");
  assert.equal(
    (await cell.call(acme, "/v1/hooks/github/secret", { method: "PUT", body: { secret: "s3cret" } })).status,
    204,
  );
  assert.deepEqual((await hook("h1", "s3cret")).body, { accepted: 1, duplicates: 0 });
  assert.deepEqual((await hook("h1", "s3cret")).body, { accepted: 0, duplicates: 1 });
  const refused = await hook("h2", "wrong");
  assert.deepEqual([refused.status, refused.body["code"]], [401, "hook-signature-refused"]);
  assert.equal((await hook("h3", "s3cret", "{not json")).body["code"], "hook-malformed");
  assert.equal(
    (await cell.call(acme, "/v1/hooks/github/secret", { method: "PUT", body: { secret: "x" }, principal: "anonymous" }))
      .status,
    401,
  );
});

test("bad input is refused with a clear problem, and changes nothing", async () => {
  const at = new Date().toISOString();
  const event = { id: "b1", type: "t", user: "u", at };
  const cases: readonly (readonly [status: number, code: string, call: Promise<Answer>])[] = [
    [
      400,
      "malformed-json",
      cell.call(acme, "/v1/events", { method: "POST", body: "{", headers: { "content-type": "application/json" } }),
    ],
    [400, "invalid-request", cell.call(acme, "/v1/events", { body: { events: [{ ...event, value: "1" }] } })],
    [400, "invalid-request", cell.call(acme, "/v1/events", { body: { events: [{ ...event, colour: "red" }] } })],
    [400, "invalid-request", cell.call(acme, "/v1/events", { body: { events: [] } })],
    [400, "invalid-request", cell.call(acme, "/v1/events", { body: { events: [{ ...event, at: "yesterday" }] } })],
    [400, "event-from-the-future", post(acme, [{ ...event, at: new Date(Date.now() + 90_000_000).toISOString() }])],
    [
      400,
      "properties-too-large",
      cell.call(acme, "/v1/events", { body: { events: [{ ...event, properties: { a: "x".repeat(9_000) } }] } }),
    ],
    [400, "text-not-well-formed", post(acme, [{ ...event, user: "nul\u0000" }])],
    [
      400,
      "text-not-well-formed",
      cell.call(acme, "/v1/events", { body: { events: [{ ...event, properties: { a: "\ud800" } }] } }),
    ],
    [405, "method-not-allowed", cell.call(acme, "/v1/events", { method: "DELETE" })],
    [404, "not-found", cell.call(acme, "/v1/nothing")],
    [
      413,
      "body-too-large",
      cell.call(acme, "/v1/events", { body: { events: [{ ...event, properties: { a: "x".repeat(1_100_000) } }] } }),
    ],
    [
      415,
      "unsupported-media-type",
      cell.call(acme, "/v1/events", { method: "POST", body: "a=b", headers: { "content-type": "text/plain" } }),
    ],
    [400, "invalid-request", cell.call(acme, "/v1/stats?bucket=week")],
    [400, "invalid-request", cell.call(acme, "/v1/stats?colour=red")],
    [400, "range-reversed", cell.call(acme, `/v1/stats?from=${at}&to=${at}`)],
    [
      400,
      "too-many-buckets",
      cell.call(acme, "/v1/stats?from=2026-01-01T00:00:00Z&to=2026-01-09T00:00:00Z&bucket=minute"),
    ],
  ];
  for (const [status, code, call] of cases) {
    const answer = await call;
    assert.deepEqual([answer.status, answer.body["code"]], [status, code]);
    assert.match(answer.headers.get("content-type") ?? "", /^application\/problem\+json/);
  }
  assert.equal((await cell.sql("SELECT FROM events WHERE id = 'b1'")).length, 0);
});

test("a thousand events fit into one request, one more does not", async () => {
  const at = "2026-02-01T00:00:00Z";
  const many = Array.from({ length: 1_001 }, (_, index) => ({ id: `k${index}`, type: "t", user: "u", at }));
  assert.equal((await post(other, many)).status, 400);
  assert.deepEqual((await post(other, many.slice(0, 1_000))).body, { accepted: 1_000, duplicates: 0 });
});

test("an aggregate answers per tenant, for the aggregator alone", async () => {
  const range = `from=2026-02-01T00:00:00Z&to=2026-02-02T00:00:00Z`;
  const events = await cell.admin(`/v1/aggregates/events?${range}`, { as: [cell.aggregator, "aggregator"] });
  const rows = events.body["rows"] as { slug: string; value: number }[];
  assert.deepEqual(
    new Map(rows.map((row) => [row.slug, row.value])),
    new Map([
      ["acme", 0],
      ["other", 1_000],
    ]),
  );
  const users = await cell.admin(`/v1/aggregates/active-users?${range}`, { as: [cell.aggregator, "aggregator"] });
  assert.deepEqual(
    (users.body["rows"] as { slug: string; value: number }[]).find((row) => row.slug === "other")?.value,
    1,
  );
  assert.equal((await cell.admin(`/v1/aggregates/nothing?${range}`)).status, 404);
  assert.equal((await cell.admin(`/v1/aggregates/events?${range}`, { as: [cell.router, "router-1"] })).status, 401);
});

async function rolledUp(): Promise<void> {
  await until("the tail is rolled up", async () => (await cell.sql("SELECT FROM tail")).length === 0);
}

function countByHand(all: readonly MadeEvent[], from: number, to: number, bucket: "minute" | "hour" | "day"): unknown {
  const width = { minute: 60_000, hour: 3_600_000, day: 86_400_000 }[bucket];
  const events = all.filter((event) => Date.parse(event.at) >= from && Date.parse(event.at) < to);
  const groups = Map.groupBy(events, (event) => Math.floor(Date.parse(event.at) / width) * width);
  const users = (list: readonly MadeEvent[]): number => new Set(list.map((event) => event.user)).size;
  const types = [...Map.groupBy(events, (event) => event.type)].map(([type, list]) => ({ type, count: list.length }));
  const values = events.flatMap((event) => (event.value === undefined ? [] : [event.value])).toSorted((a, b) => a - b);
  const at = (q: number): number | null => values[Math.max(0, Math.ceil(q * values.length) - 1)] ?? null;
  return {
    events: events.length,
    activeUsers: users(events),
    topTypes: types.toSorted((a, b) => b.count - a.count || (a.type < b.type ? -1 : 1)),
    buckets: [...groups]
      .toSorted(([a], [b]) => a - b)
      .map(([start, list]) => ({ at: new Date(start).toISOString(), events: list.length, activeUsers: users(list) })),
    quantiles: { p50: at(0.5), p95: at(0.95), p99: at(0.99) },
  };
}
