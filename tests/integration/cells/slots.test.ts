import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { kitNeeds } from "../../../cells/kit/migrations.ts";
import { CellUnderTest, type TestTenant } from "./cell-under-test.ts";
import { until } from "./http-call.ts";

let cell: CellUnderTest;
let first: string;
let second: string;
let acme: TestTenant;
let synthetic: TestTenant;

before(async () => {
  cell = await CellUnderTest.start();
  first = await cell.release("cells/pulse", "1");
  second = await cell.release("examples/pulse-2", "2");
  acme = cell.addTenant("acme");
  synthetic = cell.addTenant("synthetic-cell-1", { synthetic: true });
  await cell.migrate(first);
  await cell.startApi(first, "a");
  await cell.startWorker(first, "a");
  for (const tenant of [acme, synthetic]) await cell.grant(tenant);
  await send(acme, "a", "before");
});
after(async () => cell.stop());

const send = (tenant: TestTenant, slot: "a" | "b", id: string) =>
  cell.call(tenant, "/v1/events", {
    slot,
    body: { events: [{ id, type: "t", user: "u", at: "2026-03-01T00:00:00Z" }] },
  });
const status = async (slot: "a" | "b", role: "api" | "worker" = "api") =>
  (await cell.admin("/v1/status", { slot, role })).body;

test("an expand migration leaves the running release ready, and is applied once", async () => {
  const { applied, schema } = await cell.migrate(second, "b");
  assert.deepEqual(applied, [{ series: "app", number: 2, name: "first-events", class: "expand" }]);
  assert.equal(schema.app, 2);
  assert.ok(schema.kit >= kitNeeds);
  assert.deepEqual((await cell.migrate(second, "b")).applied, []);
  assert.equal((await status("a"))["ready"], true);
  assert.equal((await cell.call(acme, "/v1/stats", { slot: "a" })).status, 200);
});

test("a standby slot serves the synthetic tenant only, and names the live one", async () => {
  await cell.startApi(second, "b");
  await cell.startWorker(second, "b");
  const refused = await cell.call(acme, "/v1/stats", { slot: "b" });
  assert.deepEqual([refused.status, refused.body["code"]], [503, "slot-not-live"]);
  assert.equal(refused.headers.get("cellplane-slot"), "a");
  assert.equal(refused.headers.get("cellplane-not-executed"), "slot-not-live");
  const served = await cell.call(synthetic, "/v1/stats", { slot: "b" });
  assert.deepEqual([served.status, served.headers.get("cellplane-release")], [200, "pulse@2"]);
  const { phase, liveSlot, ready } = await status("b");
  assert.deepEqual({ phase, liveSlot, ready }, { phase: "standby", liveSlot: "a", ready: true });
});

test("before the switch the new worker takes the synthetic tenant's jobs only", async () => {
  await cell.kill("worker", "a", "SIGTERM");
  await send(acme, "a", "real-job");
  await send(synthetic, "b", "synthetic-job");
  await until("the synthetic job is done", async () => (await outbox(synthetic)) === 0);
  assert.ok((await outbox(acme)) > 0);
  await cell.startWorker(first, "a");
});

test("a switch is a compare-and-set, refuses lower claims, and is idempotent", async () => {
  const wrong = await cell.admin("/v1/slot", { body: { from: "b", to: "a" }, slot: "b" });
  // It is so already: slot a is live.
  assert.equal(wrong.status, 200);
  const done = await cell.admin("/v1/slot", { body: { from: "a", to: "b", token: 7 }, slot: "b" });
  assert.deepEqual([done.status, done.body["liveSlot"], done.body["phase"]], [200, "b", "live"]);
  assert.equal((await cell.admin("/v1/slot", { body: { from: "a", to: "b", token: 7 }, slot: "b" })).status, 200);
  const late = await cell.admin("/v1/slot", { body: { from: "b", to: "a", token: 6 }, slot: "b" });
  assert.deepEqual([late.status, late.body["code"]], [409, "claim-outranked"]);
  assert.equal((await status("b"))["liveSlot"], "b");
});

test("the new slot serves everybody at once; the old one still serves, names it, and asks the rest to leave", async () => {
  const fresh = await cell.call(acme, "/v1/stats?from=2026-03-01T00:00:00Z&to=2026-03-02T00:00:00Z", { slot: "b" });
  assert.deepEqual(
    [fresh.status, fresh.body["firstEventAt"], fresh.body["events"]],
    [200, "2026-03-01T00:00:00.000Z", 2],
  );
  await until("the old slot has noticed", async () => (await status("a"))["phase"] === "draining", 2_000);
  const old = await cell.call(acme, "/v1/stats", { slot: "a" });
  assert.deepEqual([old.status, old.headers.get("cellplane-slot"), old.body["firstEventAt"]], [200, "b", undefined]);
  await until("it says Connection: close", async () => {
    await sleep(200);
    return (await cell.call(acme, "/v1/stats", { slot: "a" })).headers.get("connection") === "close";
  });
});

test("after the switch jobs are the new worker's, and the old one takes none", async () => {
  await cell.kill("worker", "b", "SIGTERM");
  await send(acme, "b", "after-switch");
  await sleep(2_500);
  assert.ok((await outbox(acme)) > 0, "the old worker took a job");
  await cell.startWorker(second, "b");
  await until("the new worker takes it", async () => (await outbox(acme)) === 0, 20_000);
  assert.deepEqual(await cell.sql("SELECT count(*) FROM first_events WHERE tenant_id = $1", [acme.id]), [{ count: 1 }]);
});

test("rolling back switches to the old release again, on the newer schema", async () => {
  const back = await cell.admin("/v1/slot", { body: { from: "b", to: "a", token: 8 }, slot: "a" });
  assert.deepEqual([back.status, back.body["phase"]], [200, "live"]);
  assert.equal((await send(acme, "a", "rolled-back")).status, 202);
  await until("its worker works again", async () => (await outbox(acme)) === 0, 20_000);
});

test("SIGTERM lets what is in flight end, and the process ends cleanly", async () => {
  const assertion = await cell.assertion(synthetic);
  const event = (index: number) => ({ id: `in-flight-${index}`, type: "t", user: "u", at: "2026-03-01T00:00:00Z" });
  const calls = Array.from({ length: 20 }, async (_, index) =>
    cell.call(synthetic, "/v1/events", { slot: "b", assertion, body: { events: [event(index)] } }),
  );
  const settled = Promise.allSettled(calls);
  await sleep(20);
  const code = await cell.kill("api", "b", "SIGTERM");
  const answered = (await settled).filter(
    (answer) => answer.status === "fulfilled" && answer.value.status === 202,
  ).length;
  const stored = await cell.sql("SELECT FROM events WHERE id LIKE 'in-flight-%'");
  assert.equal(code, 0);
  assert.equal(answered, calls.length);
  assert.equal(stored.length, answered);
});

test("a process refuses to be ready on a schema beyond a contract migration, or before its own", async () => {
  await cell.sql(
    "INSERT INTO cellplane.schema_migrations (series, number, name, class, digest) VALUES ('app', 3, 'drop', 'contract', 'x')",
  );
  const after = await status("a");
  assert.equal(after["ready"], false);
  assert.match(String((after["problems"] as string[])[0]), /^schema-too-new: app\/3 is a contract migration/);
  await cell.sql("DELETE FROM cellplane.schema_migrations WHERE series = 'app' AND number > 1");
  await assert.rejects(
    cell.startApi(second, "b").then(() => undefined),
    /not within|schema/,
  );
  await cell.kill("api", "b");
  await cell.sql("DROP TABLE first_events");
});

test("migrations are refused whose number was released with other content, or whose class was not asked for", async () => {
  const file = join(cell.folder, "releases/1/migrations/app/0001-events.expand.sql");
  const text = await readFile(file, "utf8");
  await writeFile(file, `${text}-- changed\n`);
  await assert.rejects(cell.migrate(first), /app\/1 was applied with other content/);
  await writeFile(file, text);
  const contract = join(cell.folder, "releases/1/migrations/app/0002-drop.contract.sql");
  await writeFile(contract, "DROP TABLE tail;");
  await assert.rejects(cell.migrate(first), /app\/2 is contract, which was not asked for/);
  await writeFile(contract, "CREATE TABLE loose (id uuid PRIMARY KEY);");
  await assert.rejects(cell.migrate(first, "a", ["--allow", "contract"]), /loose: .*cellplane\.protect_table/);
  assert.deepEqual(await cell.sql("SELECT to_regclass('public.loose') AS loose"), [{ loose: null }]);
});

async function outbox(tenant: TestTenant): Promise<number> {
  return (await cell.sql("SELECT FROM cellplane.outbox WHERE tenant_id = $1 AND key = 'roll-up'", [tenant.id])).length;
}
