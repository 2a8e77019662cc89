import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { Agent } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../../common/clock.ts";
import { createLog } from "../../../common/log.ts";
import { loadConfig } from "../../../router/config.ts";
import { startRouter, type RunningRouter } from "../../../router/router.ts";
import { CellUnderTest, type TestTenant } from "../cells/cell-under-test.ts";
import { keyRow, tenantRow } from "./bed.ts";
import { ask, until, type Answer } from "./client.ts";
import { Feed } from "./feed.ts";

// The router before a real cell: its own processes, PostgreSQL and Redis, and two releases of Pulse in two slots.
const directory = mkdtempSync(join(tmpdir(), "cellplane-router-"));
const key = "cpk_real-cell-key";
let cell: CellUnderTest;
let acme: TestTenant;
let feed: Feed;
let router: RunningRouter;
let sent = 0;
const releases = { one: "", next: "" };

const slotRow = (url: string) => ({ url, adminUrl: "http://127.0.0.1:9", workerUrl: "http://127.0.0.1:9" });
const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };

function sendEvent(agent?: Agent): Promise<Answer> {
  sent += 1;
  const event = { id: `event-${sent}`, type: "push", user: "ada", at: new Date().toISOString() };
  return ask(router.port, {
    method: "POST",
    path: "/v1/events",
    headers,
    body: JSON.stringify({ events: [event] }),
    ...(agent === undefined ? {} : { agent }),
  });
}

async function storedEvents(): Promise<number> {
  const rows = await cell.sql<{ count: number }>("SELECT count(*)::int AS count FROM events WHERE tenant_id = $1", [
    acme.id,
  ]);
  return rows[0]?.count ?? 0;
}

before(async () => {
  cell = await CellUnderTest.start();
  acme = cell.addTenant("acme");
  releases.one = await cell.release("cells/pulse", "1");
  releases.next = await cell.release("cells/pulse", "1.1");
  await cell.migrate(releases.one);
  await cell.startApi(releases.one, "a");
  await cell.startApi(releases.next, "b");
  assert.equal((await cell.grant(acme)).status, 200);
  const [digestName, keyValue] = keyRow(key, acme.id);
  feed = new Feed({
    "settings/fleet": { baseDomain: "cellplane.localhost", application: "pulse" },
    "cell/cell-1": {
      id: "cell-1",
      region: "eu",
      cordoned: false,
      slots: { a: slotRow(cell.url("a")), b: slotRow(cell.url("b")) },
      liveSlot: "a",
      release: releases.one,
    },
    "part/cell-1": { id: "cell-1", role: "cell", keys: [cell.cellKey.spki], url: null },
    [`tenant/${acme.id}`]: tenantRow(acme.id, "acme"),
    [digestName]: keyValue,
  });
  await feed.start();
  const config = loadConfig({
    PORT: "0",
    ADMIN_PORT: "0",
    KEY_FILE: join(directory, "router.pem"),
    FLEET_URL: feed.url,
    FLEET_TRUST_KEYS: feed.key.spki,
    FLEET_DIRECTORY: directory,
  });
  router = await startRouter(config, cell.router, systemClock, createLog("router", "silent"));
  await until(async () => (await ask(router.adminPort, { path: "/readyz" })).status === 200, "the router is ready");
});

after(async () => {
  await router.stop();
  await feed.stop();
  await cell.stop();
  rmSync(directory, { recursive: true, force: true });
});

test("a real cell believes the router's assertion and wants a key where its route says so", async () => {
  assert.equal((await sendEvent()).status, 202);
  assert.equal((await ask(router.port, { path: "/v1/stats" })).json["code"], "key-required");
  assert.equal((await ask(router.port, { path: `/v1/stats?key=${key}` })).status, 401);
  assert.equal((await ask(router.port, { path: "/v1/stats", headers })).status, 200);
  const lost = await ask(router.port, { path: "/nowhere", headers });
  assert.equal(lost.status, 404);
  assert.equal(lost.json["requestId"], lost.headers["x-request-id"]);
});

test("a switch of slots under load, old slot stopped afterwards: no request fails, every event is stored once", async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const statuses = new Map<number, number>();
  let stopping = false;
  const clients = Array.from({ length: 8 }, async () => {
    while (!stopping) {
      const { status } = await sendEvent(agent);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      await sleep(5);
    }
  });
  await sleep(500);
  const switched = await cell.admin("/v1/slot", { body: { from: "a", to: "b" }, slot: "b" });
  assert.equal(switched.status, 200, JSON.stringify(switched.body));
  await sleep(1_500);
  await cell.kill("api", "a", "SIGTERM");
  await sleep(700);
  stopping = true;
  await Promise.all(clients);
  agent.destroy();
  assert.deepEqual([...statuses.keys()], [202]);
  assert.equal(await storedEvents(), sent);
  const metrics = (await ask(router.adminPort, { path: "/metrics" })).text;
  assert.match(metrics, /requests_total\{cell="cell-1",release="pulse@1",/);
  assert.match(metrics, /requests_total\{cell="cell-1",release="pulse@1\.1",/);
});

test("a write during a freeze waits in the router and is stored once the tenant is thawed; reads go on", async () => {
  const id = [acme.id];
  await cell.sql(
    "UPDATE cellplane.leases SET state = 'frozen', freeze_id = 'f1', freeze_deadline = now() + interval '1 hour' WHERE tenant_id = $1",
    id,
  );
  const waiting = [sendEvent(), sendEvent(), sendEvent()];
  await sleep(300);
  assert.equal((await ask(router.port, { path: "/v1/stats", headers })).status, 200);
  assert.match((await ask(router.adminPort, { path: "/metrics" })).text, /cellplane_router_parked_total 3\n/);
  await cell.sql(
    "UPDATE cellplane.leases SET state = 'active', freeze_id = NULL, freeze_deadline = NULL WHERE tenant_id = $1",
    id,
  );
  assert.deepEqual(
    (await Promise.all(waiting)).map(({ status }) => status),
    [202, 202, 202],
  );
  assert.equal(await storedEvents(), sent);
});

test("a document that is behind the lease: the cell's signed word gives the epoch, and the client notices nothing", async () => {
  await cell.sql("UPDATE cellplane.leases SET epoch = 2 WHERE tenant_id = $1", [acme.id]);
  assert.equal((await sendEvent()).status, 202);
  assert.equal(await storedEvents(), sent);
});

test("kill -9 of the cell's API: 503 with Retry-After; served again when it is back, at another address too", async () => {
  await cell.kill("api", "b");
  const down = await sendEvent();
  assert.equal(down.status, 503);
  assert.equal(down.json["code"], "cell-unavailable");
  assert.equal(down.headers["retry-after"], "1");
  await cell.startApi(releases.next, "b");
  const slots = { a: slotRow("http://127.0.0.1:9"), b: slotRow(cell.url("b")) };
  feed.publish({
    "cell/cell-1": { id: "cell-1", region: "eu", cordoned: false, slots, liveSlot: "b", release: releases.next },
  });
  await until(async () => (await sendEvent()).status === 202, "the cell serves again");
});
