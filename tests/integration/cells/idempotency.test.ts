import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { CellUnderTest, type TestTenant } from "./cell-under-test.ts";
import { until, type Answer } from "./http-call.ts";

let cell: CellUnderTest;
let release: string;
let acme: TestTenant;
let other: TestTenant;
let keys = 0;

before(async () => {
  cell = await CellUnderTest.start();
  release = await cell.release("tests/integration/cells/http-application", "1");
  acme = cell.addTenant("acme");
  other = cell.addTenant("other");
  await cell.migrate(release);
  await cell.startApi(release);
  for (const tenant of [acme, other]) assert.equal((await cell.grant(tenant)).status, 200);
});
after(async () => cell.stop());

const freshKey = (): string => `key-${++keys}`;

function make(key: string | null, body: Record<string, unknown>, options: Partial<Call> = {}): Promise<Answer> {
  return cell.call(options.tenant ?? acme, options.path ?? "/v1/things", {
    body,
    headers: key === null ? {} : { "idempotency-key": key },
    ...(options.epoch === undefined ? {} : { epoch: options.epoch }),
  });
}
interface Call {
  readonly tenant: TestTenant;
  readonly path: string;
  readonly epoch: number;
}

async function things(name: string): Promise<number> {
  return (await cell.sql("SELECT FROM things WHERE name = $1", [name])).length;
}

async function keyRow(key: string): Promise<Record<string, unknown> | undefined> {
  return (await cell.sql("SELECT * FROM cellplane.idempotency_keys WHERE key = $1", [key]))[0];
}

function raise(): string {
  const flag = join(cell.folder, `flag-${freshKey()}`);
  writeFileSync(flag, "");
  return flag;
}

test("attack 30: the same request gets the stored answer, whatever the order of its members; another body is 422", async () => {
  const key = freshKey();
  const first = await make(key, { name: "one", behaviour: "plain" });
  assert.deepEqual([first.status, first.headers.get("idempotency-replayed")], [201, null]);
  const again = await make(key, { behaviour: "plain", name: "one" });
  assert.deepEqual([again.status, again.body], [201, first.body]);
  assert.equal(again.headers.get("idempotency-replayed"), "true");
  assert.equal(again.headers.get("location"), first.headers.get("location"));
  assert.equal(again.headers.get("content-type"), first.headers.get("content-type"));
  const changed = await make(key, { name: "another", behaviour: "plain" });
  assert.deepEqual([changed.status, changed.body["code"]], [422, "idempotency-key-reused"]);
  const elsewhere = await make(key, { name: "one", behaviour: "plain" }, { path: "/v1/things?x=1" });
  // Another address is another request; here one that is refused before its key is looked at.
  assert.equal(elsewhere.status, 400);
  assert.deepEqual([await things("one"), await things("another")], [1, 0]);
});

test("attack 30: a key belongs to its tenant alone", async () => {
  const key = freshKey();
  const mine = await make(key, { name: "mine" });
  const theirs = await make(key, { name: "theirs" }, { tenant: other });
  assert.deepEqual([mine.status, theirs.status], [201, 201]);
  assert.equal(theirs.headers.get("idempotency-replayed"), null);
  assert.equal((await make(key, { name: "mine" })).body["id"], mine.body["id"]);
});

test("attack 30: a key survives a move, and what an older epoch left in progress is released", async () => {
  const key = freshKey();
  const first = await make(key, { name: "moved" });
  const stuck = freshKey();
  await make(stuck, { name: "stuck" });
  await alter(
    stuck,
    "status = NULL, body = NULL, steps = '{}', holder = 'elsewhere/1', held_until = now() + interval '1 hour'",
  );
  assert.equal((await make(stuck, { name: "stuck" })).status, 409);
  await cell.sql("UPDATE cellplane.leases SET epoch = 2 WHERE tenant_id = $1", [acme.id]);
  const replayed = await make(key, { name: "moved" }, { epoch: 2 });
  assert.deepEqual([replayed.status, replayed.body], [201, first.body]);
  assert.equal((await make(key, { name: "not moved" }, { epoch: 2 })).status, 422);
  assert.equal((await make(stuck, { name: "stuck" }, { epoch: 2 })).status, 201);
  await cell.sql("UPDATE cellplane.leases SET epoch = 1 WHERE tenant_id = $1", [acme.id]);
});

test("the key in quotes is the key without; what is no key is 400; a route may demand one or not look at it", async () => {
  const key = freshKey();
  const bare = await make(key, { name: "quoted" });
  assert.equal((await make(`"${key}"`, { name: "quoted" })).body["id"], bare.body["id"]);
  for (const bad of ["a, b", '"', '"a" "b"', "a b", "x".repeat(256), ";"]) {
    const answer = await make(bad, { name: "bad" });
    assert.deepEqual([answer.status, answer.body["code"]], [400, "idempotency-key-malformed"], bad);
  }
  const missing = await make(null, {}, { path: "/v1/careful" });
  assert.deepEqual([missing.status, missing.body["code"]], [400, "idempotency-key-required"]);
  assert.equal((await make(freshKey(), {}, { path: "/v1/careful" })).status, 200);
  const careless = freshKey();
  for (const _ of [1, 2]) assert.equal((await make(careless, {}, { path: "/v1/careless" })).status, 200);
  assert.equal(await things("careless"), 2);
  assert.equal((await make("a b", {}, { path: "/v1/open" })).status, 200);
});

test("of many at once one is carried out, the others are told to come again, and then get its answer", async () => {
  const key = freshKey();
  const flag = raise();
  const slow = make(key, { name: "slow", behaviour: "slow", flag });
  await until("the first one holds the key", async () => (await keyRow(key)) !== undefined);
  const others = await Promise.all(
    Array.from({ length: 8 }, async () => make(key, { name: "slow", behaviour: "slow", flag })),
  );
  for (const answer of others) {
    assert.deepEqual([answer.status, answer.body["code"]], [409, "idempotency-key-in-progress"]);
    assert.equal(answer.headers.get("retry-after"), "1");
  }
  rmSync(flag);
  const first = await slow;
  assert.equal(first.status, 201);
  assert.deepEqual((await make(key, { name: "slow", behaviour: "slow", flag })).body, first.body);
  assert.equal(await things("slow"), 1);
});

test("a request that failed before it did anything leaves its key free", async () => {
  const key = freshKey();
  assert.equal((await make(key, { name: "x", behaviour: "bad-name" })).body["code"], "bad-name");
  assert.equal(await keyRow(key), undefined);
  assert.equal((await make(key, { name: "corrected" })).status, 201);
});

test("an error that comes after something was done is the answer from then on", async () => {
  const key = freshKey();
  const first = await make(key, { name: "done", behaviour: "bad-later" });
  assert.equal(first.status, 400);
  const again = await make(key, { name: "done", behaviour: "bad-later" });
  assert.deepEqual([again.status, again.body["detail"]], [400, first.body["detail"]]);
  assert.match(again.headers.get("content-type") ?? "", /problem\+json/);
  assert.equal(await things("done"), 1);
});

test("a failure between two transactions: a repetition goes on after the first one", async () => {
  const key = freshKey();
  const body = { name: "twice", behaviour: "two-steps", flag: raise() };
  const failed = await make(key, body);
  assert.deepEqual([failed.status, await things("twice"), await things("twice, again")], [500, 1, 0]);
  const again = await make(key, body);
  assert.equal(again.status, 201);
  assert.deepEqual([await things("twice"), await things("twice, again")], [1, 1]);
  assert.deepEqual((await make(key, body)).body, again.body);
});

test("kill -9 between the commit and the answer: the repetition gets the answer and does nothing twice", async () => {
  const key = freshKey();
  const body = { name: "crashed", behaviour: "crash", flag: raise() };
  await assert.rejects(make(key, body));
  assert.equal(await things("crashed"), 1);
  await cell.kill("api", "a");
  await cell.startApi(release);
  const early = await make(key, body);
  assert.deepEqual([early.status, early.body["code"]], [409, "idempotency-key-in-progress"]);
  await until("the dead process's time is over", async () => (await make(key, body)).status === 201, 60_000);
  const again = await make(key, body);
  assert.equal(again.headers.get("idempotency-replayed"), "true");
  assert.equal(await things("crashed"), 1);
  assert.deepEqual(await cell.sql("SELECT id FROM things WHERE name = 'crashed'"), [{ id: again.body["id"] }]);
});

test("a freeze between key and effects sends the request away whole; the next try is not taken for a second one", async () => {
  const key = freshKey();
  const flag = raise();
  const pending = make(key, { name: "frozen", behaviour: "slow", flag });
  await until("the key is held", async () => (await keyRow(key)) !== undefined);
  await freeze("1 hour");
  rmSync(flag);
  const refused = await pending;
  assert.deepEqual([refused.status, refused.headers.get("cellplane-not-executed")], [503, "tenant-frozen"]);
  await freeze("-1 second");
  assert.equal((await make(key, { name: "frozen", behaviour: "slow", flag })).status, 201);
  assert.equal(await things("frozen"), 1);
});

test("a slow request that lost its key to another writes nothing", async () => {
  const key = freshKey();
  const flag = raise();
  const slow = make(key, { name: "lost", behaviour: "slow", flag });
  await until("the key is held", async () => (await keyRow(key)) !== undefined);
  await alter(key, "holder = 'elsewhere/2'");
  rmSync(flag);
  assert.equal((await slow).body["code"], "idempotency-key-in-progress");
  assert.equal(await things("lost"), 0);
});

test("an answer that cannot be kept is said to be lost, and nothing is done twice", async () => {
  const large = freshKey();
  assert.equal((await make(large, { name: "large", behaviour: "large" })).status, 200);
  assert.equal((await make(large, { name: "large", behaviour: "large" })).body["code"], "idempotency-answer-lost");
  assert.equal(await things("large"), 1);
  // A Date is no JSON: it cannot be given back as it was.
  const date = freshKey();
  const body = { name: "dated", behaviour: "date", flag: raise() };
  assert.equal((await make(date, body)).status, 500);
  const again = await make(date, body);
  assert.deepEqual([again.status, again.body["code"]], [409, "idempotency-answer-lost"]);
  assert.equal(await things("dated"), 1);
});

test("a key is forgotten after a day, by the next request that bears it and by the sweeper", async () => {
  const reused = freshKey();
  const swept = freshKey();
  await make(reused, { name: "old" });
  await make(swept, { name: "old too" });
  for (const key of [reused, swept]) await alter(key, "created_at = now() - interval '25 hours'");
  assert.equal((await make(reused, { name: "new" })).status, 201);
  const [row] = await cell.sql<{ young: boolean }>(
    "SELECT created_at > now() - interval '1 hour' AS young FROM cellplane.idempotency_keys WHERE key = $1",
    [reused],
  );
  assert.equal(row?.young, true);
  await cell.startWorker(release);
  await until("the sweeper has been there", async () => (await keyRow(swept)) === undefined, 60_000);
  assert.notEqual(await keyRow(reused), undefined);
});

async function freeze(within: string): Promise<void> {
  await cell.sql(
    "UPDATE cellplane.leases SET state = 'frozen', freeze_id = 'f1', freeze_deadline = now() + $2::interval WHERE tenant_id = $1",
    [acme.id, within],
  );
}

/** Changes a key's row behind the fence's back. */
async function alter(key: string, changes: string): Promise<void> {
  await cell.sql(
    `SET session_replication_role = replica; UPDATE cellplane.idempotency_keys SET ${changes} WHERE key = '${key}'`,
  );
}
