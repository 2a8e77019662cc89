import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { Agent } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { systemClock } from "../../../common/clock.ts";
import { createLog } from "../../../common/log.ts";
import { loadConfig } from "../../../router/config.ts";
import { startRouter, type RunningRouter } from "../../../router/router.ts";
import { CellUnderTest, type TestTenant } from "../cells/cell-under-test.ts";
import { keyRow, tenantRow } from "./bed.ts";
import { ask, until, type Answer } from "./client.ts";
import { Feed } from "./feed.ts";

// One tenant floods its cell, before a real router and a real cell: what do the others of that cell get?
const calmCount = 10;
const directory = mkdtempSync(join(tmpdir(), "cellplane-router-"));
const agent = new Agent({ keepAlive: true, maxSockets: 400 });
let cell: CellUnderTest;
let feed: Feed;
let router: RunningRouter;
/** Has a modest limit, and means to send fifty times as much. */
let limited: TestTenant;
/** May send as much as it likes. */
let unlimited: TestTenant;
let calm: TestTenant[];

const keyOf = (tenant: TestTenant): string => `cpk_${tenant.slug}`;
const slotRow = (url: string) => ({ url, adminUrl: "http://127.0.0.1:9", workerUrl: "http://127.0.0.1:9" });

before(async () => {
  cell = await CellUnderTest.start();
  limited = cell.addTenant("limited");
  unlimited = cell.addTenant("unlimited");
  calm = Array.from({ length: calmCount }, (_, n) => cell.addTenant(`calm-${n}`));
  const tenants = [limited, unlimited, ...calm];
  const release = await cell.release("cells/pulse", "1");
  await cell.migrate(release);
  await cell.startApi(release, "a", 60_000);
  for (const tenant of tenants) assert.equal((await cell.grant(tenant)).status, 200);
  const limits = { requestsPerSecond: 20, inFlight: 50, bodyBytes: 1_048_576 };
  const cellRow = {
    id: "cell-1",
    region: "eu",
    cordoned: false,
    slots: { a: slotRow(cell.url("a")), b: slotRow("http://127.0.0.1:9") },
    liveSlot: "a",
    release,
  };
  feed = new Feed({
    "settings/fleet": { baseDomain: "cellplane.localhost", application: "pulse" },
    "cell/cell-1": cellRow,
    "part/cell-1": { id: "cell-1", role: "cell", keys: [cell.cellKey.spki], url: null },
    ...Object.fromEntries(
      tenants.flatMap((tenant, n) => [
        [`tenant/${tenant.id}`, tenantRow(tenant.id, tenant.slug, tenant === limited ? { limits } : {})],
        keyRow(keyOf(tenant), tenant.id, String(n + 1)),
      ]),
    ),
  });
  await feed.start();
  const config = loadConfig({
    PORT: "0",
    ADMIN_PORT: "0",
    KEY_FILE: join(directory, "router.pem"),
    FLEET_URL: feed.url,
    FLEET_TRUST_KEYS: feed.key.spki,
    FLEET_DIRECTORY: directory,
    // A busy machine is no slow cell.
    FIRST_BYTE_TIMEOUT_MS: "60000",
  });
  router = await startRouter(config, cell.router, systemClock, createLog("router", "silent"));
  await until(async () => (await ask(router.adminPort, { path: "/readyz" })).status === 200, "the router is ready");
});

after(async () => {
  agent.destroy();
  await router?.stop();
  await feed?.stop();
  await cell?.stop();
  rmSync(directory, { recursive: true, force: true });
});

let sent = 0;

function sendEvent(tenant: TestTenant): Promise<Answer> {
  sent += 1;
  const event = { id: `event-${sent}`, type: "push", user: "ada", at: new Date().toISOString() };
  return ask(router.port, {
    host: `${tenant.slug}.cellplane.localhost`,
    method: "POST",
    path: "/v1/events",
    headers: { authorization: `Bearer ${keyOf(tenant)}`, "content-type": "application/json" },
    body: JSON.stringify({ events: [event] }),
    agent,
  });
}

/** Every calm tenant writes and reads, a few times over. @returns the answers that were no success. */
async function calmLife(): Promise<Answer[]> {
  const bad: Answer[] = [];
  await Promise.all(
    calm.map(async (tenant) => {
      for (let turn = 0; turn < 3; turn++) {
        const answer = await sendEvent(tenant);
        if (answer.status !== 202) bad.push(answer);
      }
      const headers = { authorization: `Bearer ${keyOf(tenant)}` };
      const read = await ask(router.port, { host: `${tenant.slug}.cellplane.localhost`, path: "/v1/stats", headers });
      if (read.status !== 200) bad.push(read);
    }),
  );
  return bad;
}

/** Sends over so many lanes until told to stop. @returns all answers. */
function flood(tenant: TestTenant, lanes: number): () => Promise<Answer[]> {
  const answers: Answer[] = [];
  let stopped = false;
  const running = Array.from({ length: lanes }, async () => {
    while (!stopped) answers.push(await sendEvent(tenant));
  });
  return async () => {
    stopped = true;
    await Promise.all(running);
    return answers;
  };
}

async function stored(tenant: TestTenant): Promise<number> {
  const rows = await cell.sql<{ count: number }>("SELECT count(*)::int AS count FROM events WHERE tenant_id = $1", [
    tenant.id,
  ]);
  return rows[0]?.count ?? 0;
}

test("fault 24: a tenant at fifty times its rate gets its own 429s, and the others no error", async () => {
  const began = performance.now();
  const answers: Answer[] = [];
  const send = async (): Promise<void> => {
    for (let n = 0; n < 50; n++) answers.push(await sendEvent(limited));
  };
  const [bad] = await Promise.all([calmLife(), ...Array.from({ length: 20 }, send)]);
  const seconds = (performance.now() - began) / 1_000;
  assert.deepEqual(bad, []);
  const refused = answers.filter(({ status }) => status === 429);
  const accepted = answers.filter(({ status }) => status === 202);
  assert.equal(answers.length, 1_000);
  assert.ok(refused.length > 0);
  // A bucket of one second's worth, and what flowed in meanwhile.
  assert.ok(accepted.length <= 20 + Math.ceil(20 * seconds), `${accepted.length} accepted in ${seconds} s`);
  for (const answer of refused) assert.equal(answer.json["code"], "rate-limited");
  assertRefusedClearly(answers);
  assert.equal(await stored(limited), accepted.length);
});

/** What was not accepted was told to come again: refused for its own rate or share, or for want of a cell that is quick enough. */
function assertRefusedClearly(answers: readonly Answer[]): void {
  for (const { status, headers, json } of answers) {
    if (status === 202) continue;
    assert.ok(status === 429 || status === 503, `${status} ${String(json["code"])}`);
    assert.ok(Number(headers["retry-after"]) >= 1);
  }
}

test("fault 24: a tenant that offers more than its whole cell can do is refused alone, and the others get no error", async () => {
  const end = flood(unlimited, 150);
  const bad = await calmLife();
  const answers = await end();
  assert.deepEqual(bad, []);
  assert.ok(answers.some(({ status, json }) => status === 429 && json["code"] === "too-many-at-once"));
  assertRefusedClearly(answers);
  assert.equal(await stored(unlimited), answers.filter(({ status }) => status === 202).length);
});
