import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { uuidv7 } from "../../../common/uuid.ts";
import type { CellUnderTest, TestTenant } from "./cell-under-test.ts";
import { until } from "./http-call.ts";
import { outboxEmptied, workingCell } from "./working-cell.ts";

let cell: CellUnderTest;
let release: string;
let acme: TestTenant;
let other: TestTenant;

before(async () => {
  const working = await workingCell("tests/integration/cells/jobs-application", ["acme", "other"]);
  ({ cell, release } = working);
  ({ acme, other } = working.tenants);
});
after(async () => cell.stop());

const post = (tenant: TestTenant, body: Record<string, unknown>) => cell.call(tenant, "/v1/work", { body });
const idsOf = async (tenant: TestTenant, body: Record<string, unknown>): Promise<string[]> => {
  const answer = await post(tenant, body);
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  return answer.body["ids"] as string[];
};
const countOf = async (entry: string): Promise<number> =>
  (await cell.sql("SELECT FROM entries WHERE entry = $1", [entry])).length;
const emptied = (timeoutMs?: number): Promise<void> => outboxEmptied(cell, undefined, timeoutMs);
const withoutWorker = async (work: () => Promise<unknown>): Promise<void> => {
  await cell.kill("worker", "a", "SIGTERM");
  await work();
  await cell.startWorker(release);
};
/** How many of a flood's jobs were done when the last of the others was. */
const doneBefore = async (flood: string, last: string): Promise<number> => {
  const [row] = await cell.sql<{ count: number }>(
    "SELECT count(*) FROM entries WHERE entry = $1 AND done_at <= (SELECT max(done_at) FROM entries WHERE entry = $2)",
    [flood, last],
  );
  return row?.count ?? Number.NaN;
};
/** Many jobs in one statement, as if added long ago. */
const seed = (tenant: TestTenant, entry: string, times: number, milliseconds = 0): Promise<unknown> =>
  cell.sql(
    `INSERT INTO cellplane.outbox (tenant_id, job, payload_version, payload)
     SELECT $1, 'work', 1, jsonb_build_object('entry', $2::text, 'behaviour', 'write', 'milliseconds', $4::int) FROM generate_series(1, $3)`,
    [tenant.id, entry, times, milliseconds],
    cell.database.systemUrl,
  );
const dropWaiting = (tenant: TestTenant): Promise<unknown> =>
  cell.sql(
    "DELETE FROM cellplane.outbox WHERE tenant_id = $1 AND enqueued_at IS NULL",
    [tenant.id],
    cell.database.systemUrl,
  );
/** A statement in the tenant's own transaction, as the application's role. */
const asTenant = (tenant: TestTenant, statement: string): Promise<unknown> =>
  cell.sql(`BEGIN; SELECT cellplane.enter('${tenant.id}', NULL); ${statement}; COMMIT`, [], cell.database.appUrl);

test("fault 23: a flood of one tenant's 5,000 jobs leaves another's 100 their turns: they are done when the flood is not a tenth through", async () => {
  await withoutWorker(async () => {
    await seed(acme, "flood", 5_000);
    await seed(other, "hundred", 100);
  });
  await until("the hundred are done", async () => (await countOf("hundred")) === 100, 60_000);
  // Turns are handed out by time, which wavers; without turns it would be all 5,000.
  const before = await doneBefore("flood", "hundred");
  assert.ok(before < 500, `${before} of the flood were done first`);
  await dropWaiting(acme);
  await emptied();
});

test("fault 23: turns are by time: a flood of slow jobs gets no more of the worker than a tenant of quick ones, and never all of it", async () => {
  await withoutWorker(async () => {
    await seed(acme, "slow-flood", 200, 400);
    await seed(other, "quick", 100);
  });
  await until("the quick ones are done", async () => (await countOf("quick")) === 100, 60_000);
  const before = await doneBefore("slow-flood", "quick");
  assert.ok(before <= 30, `${before} slow ones were done first: turns by count would have let a hundred through`);
  await dropWaiting(acme);
  await emptied();
});

test("within a tenant a higher priority goes first, and an earlier job before a later one", async () => {
  await withoutWorker(async () => {
    for (const priority of ["low", "normal", "high"]) await idsOf(acme, { entry: priority, priority, times: 30 });
  });
  await emptied();
  const order = await cell.sql<{ entry: string; place: number }>(
    `SELECT entry, avg(place)::double precision AS place FROM (SELECT entry, row_number() OVER (ORDER BY done_at) AS place FROM entries
       WHERE entry IN ('high', 'normal', 'low')) placed GROUP BY entry ORDER BY place`,
  );
  assert.deepEqual(
    order.map(({ entry }) => entry),
    ["high", "normal", "low"],
  );
});

test("a delayed job runs not before its time, by seconds or by date, and one that is due is not held up by it", async () => {
  const began = Date.now();
  await idsOf(acme, { entry: "later", delaySeconds: 1.5 });
  await idsOf(acme, { entry: "at", runAt: new Date(began + 1_500).toISOString() });
  await idsOf(acme, { entry: "now" });
  await until("the due one is done", async () => (await countOf("now")) === 1);
  await emptied();
  const late = await cell.sql<{ entry: string; done: Date }>(
    "SELECT entry, done_at AS done FROM entries WHERE entry IN ('later', 'at')",
  );
  assert.equal(late.length, 2);
  for (const { entry, done } of late)
    assert.ok(done.getTime() - began >= 1_400, `${entry}: ${done.getTime() - began} ms`);
});

test("a key lets a job wait once; when that one is done the key is free again", async () => {
  const [first] = await idsOf(acme, { entry: "keyed", key: "k", delaySeconds: 1 });
  const [second] = await idsOf(acme, { entry: "keyed", key: "k", delaySeconds: 1 });
  const [others] = await idsOf(other, { entry: "keyed-other", key: "k" });
  assert.ok(first !== undefined && others !== undefined);
  assert.equal(second, null, "nothing was added");
  await emptied();
  assert.equal(await countOf("keyed"), 1);
  await idsOf(acme, { entry: "keyed", key: "k" });
  await emptied();
  assert.equal(await countOf("keyed"), 2);
});

test("what cannot be a job is refused where it is added, and nothing of its request is kept", async () => {
  const before = (await cell.sql("SELECT FROM cellplane.outbox")).length;
  for (const body of [
    { entry: "x".repeat(70_000) },
    { entry: "both", delaySeconds: 1, runAt: "2030-01-01T00:00:00Z" },
    { entry: "negative", delaySeconds: -1 },
    { entry: "keyless", key: "" },
  ])
    assert.equal((await post(acme, body)).status, 500, JSON.stringify(body).slice(0, 80));
  assert.equal((await cell.sql("SELECT FROM cellplane.outbox")).length, before);
});

test("a row whose payload no longer fits its schema is no poison for the worker: it ends among the dead letters", async () => {
  const id = uuidv7();
  const insert = `INSERT INTO cellplane.outbox (tenant_id, id, job, payload_version, payload) VALUES ($1, $2, 'work', 1, '{"entry":7}')`;
  await cell.sql(insert, [acme.id, id], cell.database.systemUrl);
  await until(
    "it is dead",
    async () => (await cell.sql("SELECT FROM cellplane.dead_letters WHERE id = $1", [id])).length === 1,
    30_000,
  );
  const [dead] = await cell.sql("SELECT error FROM cellplane.dead_letters WHERE id = $1", [id]);
  assert.match(String(dead?.["error"]), /does not fit its schema/);
});

test("a job of a version that no worker knows waits, and holds up nobody", async () => {
  const id = uuidv7();
  const insert = `INSERT INTO cellplane.outbox (tenant_id, id, job, payload_version, payload) VALUES ($1, $2, 'work', 9, '{}')`;
  await cell.sql(insert, [acme.id, id], cell.database.systemUrl);
  await idsOf(acme, { entry: "known" });
  await until("the known one is done", async () => (await countOf("known")) === 1);
  assert.deepEqual(await cell.sql("SELECT tries, enqueued_at FROM cellplane.outbox WHERE id = $1", [id]), [
    { tries: 0, enqueued_at: null },
  ]);
  await cell.sql("DELETE FROM cellplane.outbox WHERE id = $1", [id], cell.database.systemUrl);
});

test("a frozen tenant's jobs wait without using a try, and run when it thaws", async () => {
  const freeze = `UPDATE cellplane.leases SET state = 'frozen', freeze_id = 'f', freeze_deadline = clock_timestamp() + interval '3 seconds' WHERE tenant_id = $1`;
  await withoutWorker(() => idsOf(other, { entry: "frozen", times: 3, delaySeconds: 1 }));
  await cell.sql(freeze, [other.id], cell.database.systemUrl);
  await idsOf(acme, { entry: "beside-the-frozen" });
  await until("others go on", async () => (await countOf("beside-the-frozen")) === 1);
  await emptied();
  const done = await cell.sql("SELECT attempt FROM entries WHERE entry = 'frozen'");
  assert.deepEqual(done, [{ attempt: 1 }, { attempt: 1 }, { attempt: 1 }]);
});

test("a tenant's schedule fires once for all that it missed, only while the tenant is served, until it is ended", async () => {
  const plan = (body: Record<string, unknown>) => cell.call(acme, "/v1/schedules", { body });
  const made = await plan({ name: "beat", entry: "beat", everySeconds: 3_600 });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const missed = "UPDATE cellplane.tenant_schedules SET next_at = next_at - interval '10 hours' WHERE name = 'beat'";
  await asTenant(acme, missed);
  await until("it fires", async () => (await countOf("beat")) === 1);
  const [moved] = await cell.sql<{ ahead: number }>(
    "SELECT extract(epoch FROM next_at - clock_timestamp())::double precision AS ahead FROM cellplane.tenant_schedules",
  );
  assert.ok((moved?.ahead ?? 0) > 3_500 && (moved?.ahead ?? 0) <= 3_600, `next in ${moved?.ahead} s`);

  // Said again it stays as it is; another rhythm begins anew.
  const before = (made.body["schedules"] as { nextAt: string }[])[0]?.nextAt;
  const same = await plan({ name: "beat", entry: "beat", everySeconds: 3_600 });
  assert.equal((same.body["schedules"] as { nextAt: string }[]).length, 1);
  assert.notEqual((same.body["schedules"] as { nextAt: string }[])[0]?.nextAt, before, "it had fired meanwhile");
  const nightly = await plan({ name: "nightly", entry: "nightly", cron: "0 3 * * *", timeZone: "Europe/Berlin" });
  const rhythms = nightly.body["schedules"] as { name: string; rhythm: unknown }[];
  assert.deepEqual(rhythms[1]?.rhythm, { cron: "0 3 * * *", timeZone: "Europe/Berlin" });
  for (const wrong of [{ cron: "every day" }, { cron: "* * * * * *" }, { everySeconds: 1 }])
    assert.equal((await plan({ name: "wrong", entry: "wrong", ...wrong })).status, 500, JSON.stringify(wrong));

  await asTenant(acme, missed);
  await cell.admin(`/v1/leases/${acme.id}/suspend`, { body: {} });
  await idsOf(other, { entry: "tick", delaySeconds: 5 });
  await until("the scheduler has looked twice", async () => (await countOf("tick")) === 1, 30_000);
  const fired = await countOf("beat");
  assert.ok(fired <= 2, "it fired at most once before the suspension");
  await cell.admin(`/v1/leases/${acme.id}/resume`, { body: {} });
  await until("it fires again", async () => (await countOf("beat")) === 2);

  for (const name of ["beat", "nightly"])
    assert.deepEqual((await cell.call(acme, `/v1/schedules/${name}`, { method: "DELETE" })).body, { removed: true });
  assert.deepEqual(await cell.sql("SELECT FROM cellplane.tenant_schedules"), []);
});

test("dead letters are listed by pages, shown, replayed and discarded, each tenant's apart", async () => {
  const ids = await idsOf(acme, { entry: "letter", behaviour: "throw", times: 5 });
  await until(
    "they are dead",
    async () => (await cell.sql("SELECT FROM cellplane.dead_letters WHERE id = ANY ($1)", [ids])).length === 5,
    60_000,
  );
  const path = `/v1/tenants/${acme.id}/jobs`;
  const seen: string[] = [];
  let next: string | null = "";
  for (let page = 0; next !== null && page < 20; page++) {
    const { body, status }: Awaited<ReturnType<typeof cell.admin>> = await cell.admin(
      `${path}?limit=2${next === "" ? "" : `&after=${next}`}`,
    );
    assert.equal(status, 200);
    const letters = body["letters"] as { id: string; error: string }[];
    assert.ok(letters.length <= 2);
    assert.ok(letters.every((letter) => !("payload" in letter) && letter.error === letter.error.split(":")[0]));
    seen.push(...letters.map(({ id }) => id));
    next = body["next"] as string | null;
  }
  assert.deepEqual(seen, seen.toSorted().toReversed(), "latest first, none twice");
  assert.ok(ids.every((id) => seen.includes(id)));

  const [first = "", second = "", ...rest] = ids;
  const shown = await cell.admin(`${path}/${first}`);
  assert.deepEqual(shown.body["payload"], { entry: "letter", behaviour: "throw", milliseconds: 0 });
  for (const wrong of [`/v1/tenants/${other.id}/jobs/${first}`, `${path}/${uuidv7()}`])
    assert.deepEqual(
      [(await cell.admin(wrong)).status, (await cell.admin(wrong)).body["code"]],
      [404, "unknown-dead-letter"],
    );
  const foreign = await cell.admin(`/v1/tenants/${other.id}/jobs/${first}/replay`, { method: "POST" });
  assert.equal(foreign.status, 404);

  const discarded = await cell.admin(`${path}/${first}/discard`, { body: { reason: "a test" } });
  assert.deepEqual(discarded.body, { id: first, discarded: true });
  assert.equal((await cell.admin(`${path}/${second}/discard`, { body: {} })).status, 400, "a reason is wanted");

  // Mended: the same job under the same id now succeeds.
  const mend = `UPDATE cellplane.dead_letters SET payload = '{"entry":"mended","behaviour":"write","milliseconds":0}' WHERE id = ANY (ARRAY['${[second, ...rest].join("','")}']::uuid[])`;
  await asTenant(acme, mend);
  const one = await cell.admin(`${path}/${second}/replay`, { method: "POST" });
  assert.deepEqual([one.status, one.body["replayed"]], [200, 1]);
  const all = await cell.admin(`${path}/replay`, { method: "POST" });
  assert.equal(all.body["remaining"], 0);
  await until("they took effect", async () => (await countOf("mended")) === 4);
  const receipts = await cell.sql("SELECT tries FROM cellplane.receipts WHERE id = $1", [second]);
  assert.deepEqual(receipts, [{ tries: 1 }], "under its id, with its tries anew");

  await cell.admin(`/v1/leases/${acme.id}/suspend`, { body: { reason: "unpaid" } });
  const suspended = await cell.admin(`${path}/replay`, { method: "POST" });
  assert.deepEqual([suspended.status, suspended.body["code"]], [403, "tenant-suspended"]);
  assert.equal((await cell.admin(path)).status, 200, "reading goes on");
  await cell.admin(`/v1/leases/${acme.id}/resume`, { body: {} });

  assert.equal(
    (await cell.admin(path, { as: [cell.router, "router-1"] })).status,
    401,
    "a router has no business here",
  );
  assert.equal((await cell.admin(`/v1/tenants/${uuidv7()}/jobs`)).status, 404);
  await emptied();
});

test("depth, age, dead letters and alarms are metrics of the cell, with few tenants named", async () => {
  for (const role of ["api", "worker"] as const) {
    const response = await fetch(`${cell.adminUrlOf(role)}/metrics`);
    assert.match(response.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
    const text = await response.text();
    for (const name of ["jobs_waiting", "jobs_in_flight", "jobs_oldest_seconds", "dead_letters", "outboxes_full"])
      assert.match(text, new RegExp(`^cellplane_cell_${name} [0-9.]+$`, "m"), name);
  }
  const [id] = await idsOf(other, { entry: "alarming", behaviour: "throw" });
  await until(
    "it is dead",
    async () => (await cell.sql("SELECT FROM cellplane.dead_letters WHERE id = $1", [id])).length === 1,
    60_000,
  );
  const { body } = await cell.admin("/v1/status", { role: "worker" });
  assert.ok((body["alarms"] as { code: string }[]).some(({ code }) => code === "dead-letters"));
  assert.match(
    await (await fetch(`${cell.adminUrlOf("worker")}/metrics`)).text(),
    /cellplane_cell_alarm\{code="dead-letters"\} 1/,
  );
});

test("what a tenant had of the worker's time is forgotten when the cell holds the tenant no more", async () => {
  const gone = uuidv7();
  const shares = async (id: string): Promise<number> =>
    (await cell.sql("SELECT FROM cellplane.shares WHERE tenant_id = $1", [id])).length;
  await idsOf(acme, { entry: "charged", behaviour: "write" });
  await until("a tenant's time is charged", async () => (await shares(acme.id)) === 1);
  await withoutWorker(async () => {
    const insert = "INSERT INTO cellplane.shares (tenant_id, served_ms, cost_ms) VALUES ($1, 1, 1)";
    await cell.sql(insert, [gone], cell.database.systemUrl);
  });
  await until("the departed one's is gone", async () => (await shares(gone)) === 0, 30_000);
  assert.equal(await shares(acme.id), 1, "the one of a tenant that is held stays");
});
