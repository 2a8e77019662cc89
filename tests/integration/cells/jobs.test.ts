import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { CellUnderTest, TestTenant } from "./cell-under-test.ts";
import { until } from "./http-call.ts";
import { type ShipmentSink } from "./shipment-sink.ts";
import { outboxEmptied, workingCell } from "./working-cell.ts";

let cell: CellUnderTest;
let sink: ShipmentSink;
let acme: TestTenant;
let other: TestTenant;

before(async () => {
  const working = await workingCell("tests/integration/cells/application", ["acme", "other"], async (starting) => {
    sink = await starting.openSink();
  });
  ({ cell } = working);
  ({ acme, other } = working.tenants);
});
after(async () => cell.stop());

const add = (tenant: TestTenant, note: string, times = 1, behaviour = "write") =>
  cell.call(tenant, "/v1/notes", { body: { note, times, behaviour } });
const countOf = async (note: string): Promise<number> =>
  (await cell.sql("SELECT FROM notes WHERE note = $1", [note])).length;
const emptied = (): Promise<void> => outboxEmptied(cell, "job = 'note'");

test("a job's effect and its receipt commit together, once", async () => {
  assert.equal((await add(acme, "once", 20)).status, 202);
  await emptied();
  assert.equal(await countOf("once"), 20);
  const [receipts] = await cell.sql<{ count: number }>("SELECT count(*) FROM cellplane.receipts WHERE tenant_id = $1", [
    acme.id,
  ]);
  assert.equal(receipts?.count, 20);
});

test("a job of a request that is rolled back does not exist", async () => {
  assert.equal((await add(acme, "undone", 1, "fail-request")).status, 500);
  await emptied();
  assert.equal(await countOf("undone"), 0);
});

test("a job that fails is tried again, and its failed tries leave nothing behind", async () => {
  await add(acme, "second-try", 1, "fail-once");
  await emptied();
  assert.equal(await countOf("second-try"), 1);
});

test("a poison job becomes a dead letter with payload, error and tries, and holds up nobody", async () => {
  await add(acme, "poison", 1, "fail-always");
  await add(other, "meanwhile", 5);
  await until("the others are done", async () => (await countOf("meanwhile")) === 5);
  await until("it is dead", async () => (await cell.sql("SELECT FROM cellplane.dead_letters")).length === 1);
  const [dead] = await cell.sql("SELECT tenant_id, job, tries, error, payload FROM cellplane.dead_letters");
  assert.deepEqual(dead, {
    tenant_id: acme.id,
    job: "note",
    tries: 2,
    error: "Error: poison",
    payload: { note: "poison", behaviour: "fail-always" },
  });
  const status = await cell.admin("/v1/status", { role: "worker" });
  assert.equal((status.body["queue"] as { dead: number }).dead, 1);
});

test("jobs of a suspended tenant wait without using a try", async () => {
  await cell.admin(`/v1/leases/${other.id}/suspend`, { body: {} });
  const waiting = `INSERT INTO cellplane.outbox (tenant_id, job, payload_version, payload) VALUES ($1, 'note', 1, '{"note":"waits","behaviour":"write"}')`;
  await cell.sql(waiting, [other.id], cell.database.systemUrl);
  await add(acme, "goes-on");
  await until("the others go on", async () => (await countOf("goes-on")) === 1);
  assert.deepEqual(await cell.sql("SELECT tries FROM cellplane.outbox WHERE job = 'note'"), [{ tries: 0 }]);
  await cell.admin(`/v1/leases/${other.id}/resume`, { body: {} });
  await emptied();
  assert.equal(await countOf("waits"), 1);
});

test("fault 10: with Redis killed, requests are answered without an error, the cache fails open, and the jobs are done when it is back", async () => {
  process.kill(cell.redis.pid, "SIGKILL");
  for (let count = 0; count < 10; count++) assert.equal((await add(other, "no-redis", 2)).status, 202);
  assert.equal((await cell.call(other, "/v1/cached")).status, 200);
  await cell.restartRedis();
  await emptied();
  assert.equal(await countOf("no-redis"), 20);
});

test("fault 8: with PostgreSQL killed a cell answers 503 with Retry-After, and serves again by itself", async () => {
  process.kill(cell.postgres.pid, "SIGKILL");
  const refused = await cell.call(acme, "/v1/cached?store=1");
  assert.deepEqual(
    [
      refused.status,
      refused.body["code"],
      refused.headers.get("retry-after"),
      refused.headers.get("cellplane-not-executed"),
    ],
    [503, "cell-unavailable", "1", "cell-unavailable"],
  );
  const status = await cell.admin("/v1/status");
  assert.equal(status.body["ready"], false);
  await cell.restartPostgres();
  await until("it serves again", async () => (await add(acme, "recovered")).status === 202, 5_000);
  await emptied();
  assert.ok((await countOf("recovered")) >= 1);
});

test("rollups are shipped numbered without gaps, with absolute values, and again on request", async () => {
  assert.equal((await cell.call(acme, "/v1/rollups", { body: { value: 1 } })).status, 204);
  assert.equal((await cell.call(acme, "/v1/rollups", { body: { value: 7 } })).status, 204);
  const shipped = (): unknown[] =>
    sink.shipments.flatMap((shipment) => shipment["rows"] as { value: unknown }[]).map((row) => row.value);
  await until("the value arrives", async () => shipped().at(-1) === 7);
  const numbers = sink.shipments.map((shipment) => shipment["number"] as number);
  assert.deepEqual(
    numbers,
    Array.from({ length: numbers.length }, (_, index) => index + 1),
  );
  await until("silence is broken by empty shipments", async () => sink.shipments.length >= numbers.length + 2);

  // The aggregator has lost everything and expects the first number again; an older one knows no runs.
  for (const knowsRuns of [true, false]) {
    Object.assign(sink, { knowsRuns, next: 1 });
    sink.shipments.length = 0;
    await until("it is told all again", async () => shipped().includes(7));
    assert.equal("from" in (sink.shipments[0] ?? {}), knowsRuns);
  }
  const before = sink.shipments.length;
  assert.equal(
    (await cell.admin("/v1/replay", { method: "POST", body: {}, as: [cell.aggregator, "aggregator"] })).status,
    202,
  );
  await until("a replay sends the value again", async () =>
    sink.shipments.slice(before).some((shipment) => (shipment["rows"] as unknown[]).length > 0),
  );

  const { wholeSince } = sink.shipments.at(-1) ?? {};
  const keptMs = Date.now() - Date.parse(String(wholeSince));
  assert.ok(keptMs > 30 * 86_400_000 && keptMs < 35 * 86_400_000, `all is sent since ${String(wholeSince)}`);
});

test("a value that was recorded before a new grant goes out at the epoch of the grant", async () => {
  const epochs = (): unknown[] =>
    sink.shipments.flatMap(({ rows }) => rows as { epoch: number }[]).map(({ epoch }) => epoch);
  assert.ok(epochs().every((epoch) => epoch === 1));
  await cell.sql("UPDATE cellplane.leases SET epoch = 5 WHERE tenant_id = $1", [acme.id]);
  await cell.admin("/v1/replay", { method: "POST", body: {}, as: [cell.aggregator, "aggregator"] });
  await until("it is sent again", async () => epochs().at(-1) === 5);
});
