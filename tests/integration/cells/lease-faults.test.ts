import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Lease } from "../../../common/contracts/cell-admin.ts";
import { connect } from "../../../common/postgres/pool.ts";
import { uuidv7 } from "../../../common/uuid.ts";
import { ask } from "../router/client.ts";
import { CellUnderTest, type TestTenant } from "./cell-under-test.ts";
import { until, type Answer } from "./http-call.ts";
import { routerBefore } from "./router-before-cell.ts";

// A tenant given away while processes stand still, clocks lie, and everything that operates is dead; on real cells, with and without a router before them.
let source: CellUnderTest;
let destination: CellUnderTest;
let release: string;
let tenants = 0;

before(async () => {
  source = await CellUnderTest.start({ id: "cell-1" });
  destination = await CellUnderTest.start({ id: "cell-2", of: source });
  for (const cell of [source, destination]) {
    release = await cell.release("tests/integration/cells/application", "1");
    await cell.migrate(release);
    await cell.startApi(release);
  }
  // Another process of the cell, so that its admin API answers while the first one stands still.
  await source.startApi(release, "b");
});
after(async () => {
  await source.stop();
  await destination.stop();
});

async function newTenant(): Promise<TestTenant> {
  const tenant = source.addTenant(`tenant-${++tenants}`);
  assert.equal((await source.grant(tenant)).status, 200);
  return tenant;
}

const notesAt = async (cell: CellUnderTest, tenant: TestTenant): Promise<string[]> =>
  (await cell.sql<{ note: string }>("SELECT note FROM notes WHERE tenant_id = $1", [tenant.id])).map(
    ({ note }) => note,
  );

/** A step at the lease as the mover calls it; one that the writers held up comes again. */
async function step(cell: CellUnderTest, tenant: TestTenant, verb: string, body: object): Promise<Lease> {
  let answer: Answer | undefined;
  await until(
    `${verb} is done`,
    async () => {
      answer = await cell.admin(`/v1/leases/${tenant.id}/${verb}`, { body, slot: cell === source ? "b" : "a" });
      return answer.body["code"] !== "lease-busy";
    },
    60_000,
  );
  assert.equal(answer?.status, 200, JSON.stringify(answer?.body));
  return answer?.body as unknown as Lease;
}

/** A move without its copying. @returns the release record. */
async function giveAway(tenant: TestTenant): Promise<string> {
  const operation = uuidv7();
  const { attempt } = await step(source, tenant, "attempt", { operation });
  const try_ = { operation, attempt };
  const { slug, tier, synthetic } = tenant;
  await step(destination, tenant, "import", { ...try_, epoch: 2, source: source.id, slug, tier, synthetic });
  const { freeze } = await step(source, tenant, "freeze", try_);
  await source.holdFreeze(tenant);
  await step(destination, tenant, "ready", { ...try_, freeze });
  const url = destination.url();
  const addresses = { a: { url, adminUrl: url, workerUrl: url }, b: { url, adminUrl: url, workerUrl: url } };
  const released = await step(source, tenant, "release", { ...try_, freeze, destination: destination.id, addresses });
  return released.releaseRecord ?? "";
}

test("fault 30: a writer that stands still across the cutover commits nothing at the old epoch", async () => {
  const tenant = await newTenant();
  const answers: Promise<Answer>[] = [];
  const pid = source.pidOf("api", "a");
  for (let count = 0; count < 24; count++) {
    answers.push(source.call(tenant, "/v1/slow", { body: { note: `note-${count}` } }));
    await sleep(2);
  }
  // A flood of one tenant gets its own 429. Of the others some have committed, some hold the lock, some have entered and not written, some wait for a connection.
  process.kill(pid, "SIGSTOP");
  let atRelease: string[] = [];
  try {
    await giveAway(tenant);
    atRelease = await notesAt(source, tenant);
  } finally {
    process.kill(pid, "SIGCONT");
  }
  const ended = await Promise.all(answers);
  assert.deepEqual((await notesAt(source, tenant)).toSorted(), atRelease.toSorted());
  const acknowledged = ended.flatMap(({ status }, index) => (status === 201 ? [`note-${index}`] : []));
  assert.deepEqual(
    acknowledged.filter((note) => !atRelease.includes(note)),
    [],
  );
  const statuses = new Set(ended.map(({ status }) => status));
  assert.ok(
    statuses.has(421) && [...statuses].every((status) => [201, 421, 429, 503].includes(status)),
    [...statuses].join(),
  );
});

test("Cellplane-Not-Executed is said only when nothing of the request has committed", async () => {
  const tenant = await newTenant();
  const operation = uuidv7();
  const { attempt } = await step(source, tenant, "attempt", { operation });
  const answer = source.call(tenant, "/v1/two-steps", { body: { first: "first", second: "second" } });
  await until("the first transaction has committed", async () => (await notesAt(source, tenant)).includes("first"));
  const { freeze } = await step(source, tenant, "freeze", { operation, attempt });
  await source.holdFreeze(tenant);
  const behind = await connect(source.database.url, "behind-the-walls");
  try {
    await behind.query("SET session_replication_role = replica");
    await behind.query("INSERT INTO notes (tenant_id, note) VALUES ($1, 'go-on')", [tenant.id]);
  } finally {
    await behind.end();
  }
  const half = await answer;
  assert.deepEqual([half.status, half.body["code"]], [503, "tenant-frozen"]);
  assert.equal(half.headers.get("cellplane-not-executed"), null);
  assert.deepEqual((await notesAt(source, tenant)).toSorted(), ["first", "go-on"]);

  const whole = await source.call(tenant, "/v1/two-steps", { body: { first: "again", second: "second" } });
  assert.deepEqual([whole.status, whole.headers.get("cellplane-not-executed")], [503, "tenant-frozen"]);
  await step(source, tenant, "thaw", { operation, attempt, freeze });
});

test("fault 29: a router that knows nothing of a release sends each request on with the record, and no client notices", async () => {
  const tenant = await newTenant();
  const router = await routerBefore(source, tenant);
  try {
    const statuses: number[] = [];
    let sent = 0;
    let over = false;
    const client = async (): Promise<void> => {
      while (!over) {
        const body = JSON.stringify({ note: `routed-${++sent}` });
        const headers = { ...router.headers, "content-type": "application/json" };
        const answer = await ask(router.port, { method: "POST", path: "/v1/slow", body, headers });
        statuses.push(answer.status);
      }
    };
    const clients = Promise.all(Array.from({ length: 4 }, client));
    await until("writes go on", async () => statuses.length > 8);
    await giveAway(tenant);
    const before = statuses.length;
    await until("writes go on at the new owner", async () => statuses.length > before + 8, 60_000);
    over = true;
    await clients;
    assert.deepEqual([...new Set(statuses)], [201]);
    const [old, now] = [await notesAt(source, tenant), await notesAt(destination, tenant)];
    assert.ok(old.length > 0 && now.length > 0);
    assert.deepEqual([old.length + now.length, new Set([...old, ...now]).size], [sent, sent]);
  } finally {
    await router.stop();
  }
});

test("fault 22: a cell's process whose clock is ten minutes off serves nobody, says why, and changes no ownership", async () => {
  const tenant = await newTenant();
  for (const minutes of [10, -10]) {
    await source.kill("api", "a", "SIGTERM");
    const shift = `const now = Date.now; Date.now = () => now() + ${minutes * 60_000}`;
    const environment = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(shift)}` };
    await source.startApi(release, "a", 60_000, environment);
    await until(
      "it says clock-skew",
      async () => {
        const answer = await source.call(tenant, "/v1/two-steps", { body: { first: "a", second: "b" } });
        assert.ok(answer.status === 401 || answer.status === 503, String(answer.status));
        return answer.body["code"] === "clock-skew" && answer.headers.get("retry-after") !== null;
      },
      60_000,
    );
    const ready = await fetch(new URL("/readyz", source.adminUrlOf("api")));
    assert.equal(ready.status, 503);
    assert.match(await ready.text(), /clock-skew: this machine's clock is about 60\d s/);
    assert.match(await source.logOf("api", "a"), /"event":"clock-skew"/);
    const metrics = await fetch(new URL("/metrics", source.adminUrlOf("api")));
    assert.match(await metrics.text(), /^cellplane_cell_alarm\{code="clock-skew"\} 1$/m);
    assert.deepEqual(await notesAt(source, tenant), []);
    const { body } = await source.admin(`/v1/leases/${tenant.id}`, { slot: "b" });
    assert.deepEqual([body["state"], body["epoch"]], ["active", 1]);
  }
  await source.kill("api", "a", "SIGTERM");
  await source.startApi(release);
  assert.equal((await source.call(tenant, "/v1/slow", { body: { note: "on time" } })).status, 201);
});
