import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import test, { after, before } from "node:test";
import { startPostgres, type TestPostgres } from "../../support/postgres.ts";
import { startTestCell, startTestPlane, type TestCell, type TestPlane } from "./support.ts";

let postgres: TestPostgres;
let plane: TestPlane;
let eu: TestCell;
let us: TestCell;

before(async () => {
  postgres = await startPostgres();
  plane = await startTestPlane(postgres, { creationWaitMs: 1_500 });
  eu = await startTestCell("cell-1", "eu", () => plane.key);
  us = await startTestCell("cell-2", "us", () => plane.key);
  for (const cell of [eu, us]) assert.equal((await plane.call("POST", "/v1/cells", cell.registration)).status, 200);
});

after(async () => {
  await plane?.stop();
  await Promise.all([eu?.stop(), us?.stop()]);
  await postgres?.stop();
});

test("a tenant is placed, granted at epoch 1 and active when its creation is answered", async () => {
  const { status, body } = await plane.call("POST", "/v1/tenants", { slug: "acme", tier: "pro", region: "us" });
  assert.equal(status, 201);
  assert.deepEqual([body["host"], body["cell"], body["tier"]], ["acme.cellplane.localhost", "cell-2", "pro"]);
  assert.match(String(body["key"]), /^cpk_/);
  assert.match(String(body["explanation"]), /cell-1 {2}excluded \(residency\)/);
  assert.deepEqual(us.leases.get(String(body["id"])), {
    epoch: 1,
    slug: "acme",
    tier: "pro",
    synthetic: false,
    suspended: false,
  });
  const shown = await plane.call("GET", "/v1/tenants/acme");
  assert.deepEqual([shown.body["state"], shown.body["epoch"]], ["active", 1]);
  assert.ok(!JSON.stringify(shown.body).includes(String(body["key"])), "the key is shown once");
});

test("a served tenant's slug is taken, whatever is asked for", async () => {
  const again = await plane.call("POST", "/v1/tenants", { slug: "acme", tier: "pro", region: "us" });
  assert.deepEqual([again.status, again.body["code"]], [409, "slug-taken"]);
});

test("a creation that found its cell dead goes on by the same call, and by no other", async () => {
  us.dead = true;
  const wish = { slug: "later", tier: "free", region: "us" };
  const first = await plane.call("POST", "/v1/tenants", wish);
  assert.deepEqual([first.status, first.body["code"]], [503, "cell-unreachable"]);
  const other = await plane.call("POST", "/v1/tenants", { ...wish, tier: "pro" });
  assert.deepEqual([other.status, other.body["code"]], [409, "slug-taken"]);
  us.dead = false;
  const second = await plane.call("POST", "/v1/tenants", wish);
  assert.equal(second.status, 201);
  const { body } = await plane.call("GET", "/v1/tenants/later");
  assert.equal((body["keys"] as unknown[]).length, 1, "the first call's key is gone");
});

test("suspension reaches the cell's lease and comes off again", async () => {
  const { body } = await plane.call("POST", "/v1/tenants/acme/suspend", { reason: "unpaid" });
  assert.deepEqual([body["state"], body["reason"]], ["suspended", "unpaid"]);
  const lease = () => us.leases.get(String(body["id"]));
  await until(() => lease()?.["suspended"] === true);
  assert.equal(lease()?.["reason"], "unpaid");
  await plane.call("POST", "/v1/tenants/acme/resume", {});
  await until(() => lease()?.["suspended"] === false);
  assert.equal((await plane.call("GET", "/v1/tenants/acme")).body["state"], "active");
});

test("keys come and go", async () => {
  const made = await plane.call("POST", "/v1/tenants/acme/keys");
  assert.equal(made.status, 201);
  assert.equal((await plane.call("DELETE", `/v1/tenants/acme/keys/${String(made.body["id"])}`)).status, 200);
  const gone = await plane.call("DELETE", `/v1/tenants/acme/keys/${String(made.body["id"])}`);
  assert.deepEqual([gone.status, gone.body["code"]], [404, "unknown-key"]);
});

test("each cell has its synthetic tenant, which stays out of lists and totals", async () => {
  const { body } = await plane.call("GET", "/v1/tenants");
  const slugs = (body["tenants"] as { slug: string }[]).map(({ slug }) => slug);
  assert.deepEqual(slugs, ["acme", "later"]);
  assert.equal((await plane.call("GET", "/v1/tenants/synthetic-cell-1")).body["tier"], "synthetic");
  const taken = await plane.call("POST", "/v1/tenants", { slug: "synthetic-x", tier: "free" });
  assert.deepEqual([taken.status, taken.body["code"]], [400, "slug-reserved"]);
});

test("a cordoned cell takes no new tenants, and that is explained", async () => {
  await plane.call("PATCH", "/v1/cells/cell-2", { cordoned: true });
  const { body } = await plane.call("POST", "/v1/placements/what-if", { tier: "free", region: "us" });
  assert.equal(body["cell"], null);
  assert.match(String(body["explanation"]), /cell-2 {2}excluded \(cordoned\)/);
  const refused = await plane.call("POST", "/v1/tenants", { slug: "nowhere", tier: "free", region: "us" });
  assert.deepEqual([refused.status, refused.body["code"]], [409, "no-cell-fits"]);
});

async function until(condition: () => boolean): Promise<void> {
  for (let n = 0; n < 200 && !condition(); n += 1) await sleep(20);
  assert.ok(condition());
}

test("a control plane that lost all its connections goes on: it publishes, and it listens again", async () => {
  const { pool, publisher, notifications } = plane.context;
  await pool
    .query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()")
    .catch((error: unknown) => assert.ok(error instanceof Error));
  let told = 0;
  const unsubscribe = notifications.on("event", () => (told += 1));
  const answered = async () =>
    (await plane.call("PATCH", "/v1/cells/cell-2", { cordoned: told % 2 === 0 })).status === 200;
  const deadline = performance.now() + 5_000;
  while (performance.now() < deadline && !(await answered())) await sleep(20);
  while (performance.now() < deadline && told === 0) {
    await plane.call("PATCH", "/v1/cells/cell-2", { cordoned: true });
    await plane.call("PATCH", "/v1/cells/cell-2", { cordoned: false });
    await sleep(50);
  }
  assert.ok(told > 0, "the listener did not come back");
  unsubscribe();
  const { rows } = await pool.query("SELECT n FROM fleet_generation");
  await until(() => publisher.position.n === (rows[0] as { n: number }).n);
});
