import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CellUnderTest, type TestTenant } from "./cell-under-test.ts";
import { until, type Answer } from "./http-call.ts";

// The kit as an application's routes see it: conditions on changes, the cache, the limits of a transaction.
let cell: CellUnderTest;
let acme: TestTenant;
let other: TestTenant;

before(async () => {
  cell = await CellUnderTest.start();
  const release = await cell.release("tests/integration/cells/http-application", "1");
  acme = cell.addTenant("acme");
  other = cell.addTenant("other");
  await cell.migrate(release);
  await cell.startApi(release, "a", 60_000);
  for (const tenant of [acme, other]) assert.equal((await cell.grant(tenant)).status, 200);
});
after(async () => cell.stop());

const computed = (key: string, tenant = acme, more = "", epoch = 1): Promise<Answer> =>
  cell.call(tenant, `/v1/computed?key=${key}${more}`, { epoch });

test("a change says which version it changes: without If-Match 428, for another version 412", async () => {
  const thing = (await cell.call(acme, "/v1/things", { body: { name: "first" } })).body;
  const path = `/v1/things/${String(thing["id"])}`;
  const tag = (await cell.call(acme, path)).headers.get("etag") ?? "";
  const change = (name: string, ifMatch: string | null): Promise<Answer> =>
    cell.call(acme, path, { method: "PUT", body: { name }, headers: ifMatch === null ? {} : { "if-match": ifMatch } });
  const blind = await change("blind", null);
  assert.deepEqual([blind.status, blind.body["code"]], [428, "precondition-required"]);
  const changed = await change("second", tag);
  assert.equal(changed.status, 200);
  for (const stale of [tag, `W/${changed.headers.get("etag")}`, '"other"', ""]) {
    const refused = await change("third", stale);
    assert.deepEqual([refused.status, refused.body["code"]], [412, "precondition-failed"], stale);
  }
  assert.equal((await change("third", `"other", ${changed.headers.get("etag")}`)).status, 200);
  assert.equal((await change("fourth", "*")).status, 200);
  assert.equal((await cell.call(acme, path)).body["name"], "fourth");
  const gone = await cell.call(acme, "/v1/things/019a0000-0000-7000-8000-000000000000", {
    method: "PUT",
    body: { name: "x" },
    headers: { "if-match": "*" },
  });
  assert.equal(gone.status, 412);
});

test("of two changes to one version only one comes through", async () => {
  const thing = (await cell.call(acme, "/v1/things", { body: { name: "raced" } })).body;
  const path = `/v1/things/${String(thing["id"])}`;
  const tag = (await cell.call(acme, path)).headers.get("etag") ?? "";
  const answers = await Promise.all(
    Array.from({ length: 6 }, async (_, index) =>
      cell.call(acme, path, { method: "PUT", body: { name: `by ${index}` }, headers: { "if-match": tag } }),
    ),
  );
  assert.deepEqual(
    answers.map(({ status }) => status).toSorted((a, b) => a - b),
    [200, 412, 412, 412, 412, 412],
  );
});

test("what is cached is computed once for all who ask at once, for each tenant apart, and anew after a move", async () => {
  const crowd = await Promise.all(Array.from({ length: 20 }, async () => computed("crowd")));
  assert.equal(new Set(crowd.map(({ body }) => body["computed"])).size, 1);
  const first = crowd[0]?.body["computed"];
  assert.equal((await computed("crowd")).body["computed"], first);
  assert.notEqual((await computed("crowd", other)).body["computed"], first);
  await cell.sql("UPDATE cellplane.leases SET epoch = 2 WHERE tenant_id = $1", [acme.id]);
  assert.notEqual((await computed("crowd", acme, "", 2)).body["computed"], first);
  await cell.sql("UPDATE cellplane.leases SET epoch = 1 WHERE tenant_id = $1", [acme.id]);
  await computed("short", acme, "&ttl=1");
  const short = (await computed("short", acme, "&ttl=1")).body["computed"];
  await until("the value has ended", async () => (await computed("short", acme, "&ttl=1")).body["computed"] !== short);
});

test("a transaction that stands idle or lasts too long is ended by the database: 503, and nothing of it is there", async () => {
  const rest = async (inside: boolean, seconds: number): Promise<Answer> =>
    cell.call(acme, "/v1/rest", { body: { inside, seconds } });
  const rested = async (): Promise<number> => (await cell.sql("SELECT FROM things WHERE name = 'rested'")).length;
  const [idle, long, fine] = await Promise.all([rest(false, 4), rest(true, 8), rest(true, 0.1)]);
  assert.equal(fine.status, 200);
  for (const answer of [idle, long]) {
    assert.equal(answer.status, 503, JSON.stringify(answer.body));
    assert.notEqual(answer.headers.get("retry-after"), null);
  }
  assert.equal(long.body["code"], "transaction-too-long");
  assert.equal(long.headers.get("cellplane-not-executed"), "transaction-too-long");
  // The idle one got as far as COMMIT, on a connection that was gone: of that nobody can be sure.
  assert.equal(idle.headers.get("cellplane-not-executed"), null);
  assert.equal(await rested(), 1);
  assert.equal((await rest(true, 0.1)).status, 200);
});

test("a dead Redis is an empty cache and no error", async () => {
  assert.equal((await computed("kept")).status, 200);
  process.kill(cell.redis.pid, "SIGSTOP");
  try {
    const began = performance.now();
    const answers = await Promise.all(Array.from({ length: 10 }, async (_, index) => computed(`slow-${index}`)));
    for (const answer of answers) assert.equal(answer.status, 200);
    assert.ok(performance.now() - began < 30_000);
    assert.equal((await computed("kept")).status, 200);
  } finally {
    process.kill(cell.redis.pid, "SIGCONT");
  }
  process.kill(cell.redis.pid, "SIGKILL");
  for (let count = 0; count < 5; count++) assert.equal((await computed("kept")).status, 200);
});

test("a stateless route names itself to the router, and answers for a tenant that this cell does not own; one that needs the tenant says 421", async () => {
  const stranger = cell.addTenant("stranger");
  const preview = await cell.call(stranger, "/v1/preview/7");
  assert.deepEqual([preview.status, preview.headers.get("cellplane-stateless")], [200, "random GET /v1/preview/:id"]);
  const mistaken = await cell.call(stranger, "/v1/mistaken");
  assert.deepEqual([mistaken.status, mistaken.headers.get("cellplane-stateless")], [421, "x-user GET /v1/mistaken"]);
  assert.ok(mistaken.headers.has("cellplane-not-executed"));
  assert.equal((await cell.call(acme, "/v1/computed?key=plain")).headers.get("cellplane-stateless"), null);
});
