import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import type { Rollout } from "../../../common/contracts/rollout.ts";
import { cellId, operationId, releaseName } from "../../../common/ids.ts";
import { createRegistry } from "../../../control-plane/registry/registry.ts";
import { rolloutsToStart } from "../../../control-plane/registry/rollouts.store.ts";
import { freePort } from "../../support/ports.ts";
import { startPostgres, type TestPostgres } from "../../support/postgres.ts";
import { manifestOf, startTestCell, startTestPlane, uploadRelease, type TestCell, type TestPlane } from "./support.ts";

let postgres: TestPostgres;
let plane: TestPlane;
const cells: TestCell[] = [];

before(async () => {
  postgres = await startPostgres();
  plane = await startTestPlane(postgres, { temporal: `127.0.0.1:${await freePort()}` });
  for (const name of ["pulse@1", "pulse@2"]) await uploadRelease(plane, manifestOf(name));
  for (const [id, region] of [
    ["cell-1", "eu"],
    ["cell-2", "us"],
    ["cell-3", "eu"],
  ] as const) {
    const cell = await startTestCell(id, region, () => plane.key);
    cells.push(cell);
    await plane.call("POST", "/v1/cells", cell.registration);
  }
});

after(async () => {
  await plane?.stop();
  await Promise.all(cells.map((cell) => cell.stop()));
  await postgres?.stop();
});

const begin = (release: string, extra: object = {}) => plane.call("POST", "/v1/rollouts", { release, ...extra });

test("a start is accepted while Temporal is away, waits for it, and keeps a second one out", async () => {
  const { status, body } = await begin("pulse@2", { reason: "because" });
  assert.equal(status, 202);
  const rollout = body as unknown as Rollout;
  assert.deepEqual([rollout.state, rollout.application, rollout.requestedBy], ["planned", "pulse", "operator"]);
  assert.equal(rollout.plan.waves[0]?.cells.length, 1, "the canary");
  assert.equal(rollout.cells.length, 3);
  assert.deepEqual(
    (await rolloutsToStart(plane.context.pool, 10)).map(({ id }) => id),
    [rollout.id],
  );

  const second = await begin("pulse@2");
  assert.deepEqual([second.status, second.body["code"]], [409, "rollout-running"]);
  const unknown = await begin("pulse@9");
  assert.deepEqual([unknown.status, unknown.body["code"]], [404, "unknown-release"]);
  const shown = await plane.call("GET", "/v1/rollouts/latest");
  assert.equal(shown.body["id"], rollout.id);

  const cancelled = await plane.call("POST", `/v1/rollouts/${rollout.id}/commands`, {
    command: "cancel",
    reason: "changed my mind",
  });
  assert.deepEqual(
    [cancelled.status, cancelled.body["state"], cancelled.body["reason"]],
    [200, "cancelled", "changed my mind"],
  );
  const over = await plane.call("POST", `/v1/rollouts/${rollout.id}/commands`, { command: "halt" });
  assert.deepEqual([over.status, over.body["code"]], [409, "rollout-over"]);
});

test("the worker's word moves a rollout on, an old word does not", async () => {
  const rollout = (await begin("pulse@2")).body as unknown as Rollout;
  const registry = createRegistry(plane.context.pool);
  await registry.saveRollout({ ...rollout, state: "deploying", revision: 3 });
  await registry.saveRollout({ ...rollout, state: "planned", revision: 2 });
  assert.deepEqual(
    [(await registry.rollout("latest")).state, (await registry.rollout(rollout.id)).revision],
    ["deploying", 3],
  );

  await registry.takeClaims(rollout.id, [cellId("cell-1"), cellId("cell-2")]);
  await registry.takeClaims(rollout.id, [cellId("cell-1"), cellId("cell-2"), cellId("cell-3")]);
  assert.equal(await registry.claimToken(rollout.id, cellId("cell-1")), 1);
  await registry.saveRollout({ ...rollout, state: "completed", revision: 4 });
  const next = (await begin("pulse@2")).body as unknown as Rollout;
  // What the cell itself has seen, of a command that went by the registry, is outbid.
  await registry.takeClaims(next.id, [cellId("cell-1")], new Map([[cellId("cell-1"), 40]]));
  assert.equal(await registry.claimToken(next.id, cellId("cell-1")), 41);
  assert.equal(await registry.claimToken(rollout.id, cellId("cell-1")), null, "the operation before lost it");
  await assert.rejects(registry.takeClaims(operationId("00000000-0000-7000-8000-000000000000"), [cellId("cell-1")]), {
    code: "claim-taken",
  });
  await registry.saveRollout({ ...next, state: "cancelled", revision: 1 });
});

test("a quarantined release is not rolled out; what a cell runs is published", async () => {
  const registry = createRegistry(plane.context.pool);
  await registry.quarantine(releaseName("pulse@2"), "too many errors");
  const refused = await begin("pulse@2");
  assert.deepEqual([refused.status, refused.body["code"]], [409, "release-quarantined"]);
  await registry.publishLive(cellId("cell-1"), "b", releaseName("pulse@2"));
  const { body } = await plane.call("GET", "/v1/cells/cell-1");
  assert.deepEqual([body["liveSlot"], body["release"]], ["b", "pulse@2"]);
});

test("with the line stopped no rollout begins, and none is started, with Temporal dead too; who stopped it is told", async () => {
  assert.deepEqual((await plane.call("GET", "/v1/line")).body, { stopped: false, by: null, reason: null, since: null });
  await uploadRelease(plane, manifestOf("pulse@3"));
  const { body: waiting } = await begin("pulse@3");
  const { status, body } = await plane.call("PUT", "/v1/line", { stopped: true, reason: "payments are down" });
  assert.deepEqual([status, body["stopped"], body["by"], body["reason"]], [200, true, "operator", "payments are down"]);
  const again = await plane.call("PUT", "/v1/line", { stopped: true, reason: "another reason" });
  assert.deepEqual(again.body, body, "the first word stands");

  await plane.call("POST", `/v1/rollouts/${String(waiting["id"])}/commands`, { command: "cancel" });
  const refused = await begin("pulse@3");
  assert.deepEqual([refused.status, refused.body["code"]], [409, "line-stopped"]);
  assert.match(String(refused.body["detail"]), /operator stopped it at .*: payments are down/);
  await plane.call("PUT", "/v1/line", { stopped: false, reason: "they are back" });
  const { status: accepted, body: begun } = await begin("pulse@3");
  assert.equal(accepted, 202);
  await plane.call("POST", `/v1/rollouts/${String(begun["id"])}/commands`, { command: "cancel" });
});

test("a rollout whose workflow is lost is abandoned: its cells are free, and what comes back of it is refused", async () => {
  const { body } = await begin("pulse@3");
  const rollout = body as unknown as Rollout;
  const registry = createRegistry(plane.context.pool);
  await registry.takeClaims(rollout.id, [cellId("cell-1"), cellId("cell-3")]);
  const cells = rollout.cells.map((cell) => (cell.cell === "cell-3" ? { ...cell, step: "switching" as const } : cell));
  await registry.saveRollout({ ...rollout, cells, state: "deploying", wave: 1, revision: 5 });
  const { body: open } = await plane.call("GET", "/v1/operations");
  const [listed] = open["operations"] as Record<string, unknown>[];
  assert.deepEqual(
    [listed?.["id"], listed?.["kind"], listed?.["state"], listed?.["cells"]],
    [rollout.id, "rollout", "deploying", ["cell-1", "cell-3"]],
  );

  const path = `/v1/operations/${rollout.id}/abandon`;
  assert.equal((await plane.call("POST", path, {})).status, 400, "without a reason");
  const abandoned = await plane.call("POST", path, { reason: "its disk is lost" });
  assert.deepEqual([abandoned.status, abandoned.body["workflow"]], [200, "not-asked"], JSON.stringify(abandoned.body));
  const shown = (await plane.call("GET", `/v1/rollouts/${rollout.id}`)).body as unknown as Rollout;
  assert.deepEqual(
    [shown.state, shown.reason, shown.history.at(-1)?.event],
    ["cancelled", "its disk is lost", "abandoned"],
  );
  const [settled] = abandoned.body["cells"] as { cell: string; step: string }[];
  assert.deepEqual([settled?.cell, settled?.step], ["cell-3", "rolled-back"], "it was asked, and runs pulse@1");

  assert.equal(await registry.claimToken(rollout.id, cellId("cell-1")), null);
  await assert.rejects(registry.takeClaims(rollout.id, [cellId("cell-1")]), { code: "rollout-over" });
  await registry.saveRollout({ ...rollout, state: "baking", revision: 50 });
  assert.equal((await registry.rollout(rollout.id)).state, "cancelled");
  assert.deepEqual((await plane.call("GET", "/v1/operations")).body, { operations: [] });
  const again = await plane.call("POST", path, { reason: "once more" });
  assert.deepEqual([again.status, again.body["code"]], [409, "rollout-over"]);
  const unknown = await plane.call("POST", path.replace(rollout.id, "00000000-0000-7000-8000-000000000000"), {
    reason: "?",
  });
  assert.deepEqual([unknown.status, unknown.body["code"]], [404, "unknown-operation"]);
});

test("the synthetic tenant's key is made valid by its digest, once", async () => {
  const registry = createRegistry(plane.context.pool);
  const tenant = await registry.syntheticTenant(cellId("cell-1"));
  assert.equal(tenant.host, "synthetic-cell-1.cellplane.localhost");
  await registry.ensureKey(tenant.id, "ab".repeat(32));
  await registry.ensureKey(tenant.id, "ab".repeat(32));
  const { rows } = await plane.context.pool.query("SELECT name FROM fleet_rows WHERE name = $1", [
    `key/${"ab".repeat(32)}`,
  ]);
  assert.equal(rows.length, 1);
});

test("DNS is planned from the registry without any credentials", async () => {
  await plane.call("PUT", "/v1/parts/router-1", { role: "router", keys: [plane.key.spki], url: "http://127.0.0.1:9" });
  const { status, body } = await plane.call("GET", "/v1/dns/plan");
  assert.equal(status, 200);
  const names = (body["records"] as { name: string }[]).map(({ name }) => name);
  assert.ok(names.includes("*.cellplane.localhost"));
  assert.equal(body["zoneRead"], false);
  const { body: refused } = await plane.call("POST", "/v1/dns/apply", {});
  assert.equal(refused["code"], "dns-not-configured");
});

test("the overview says in one answer how everything is", async () => {
  const { status, body } = await plane.call("GET", "/v1/overview");
  assert.equal(status, 200);
  assert.equal((body["cells"] as unknown[]).length, 3);
  assert.equal(body["temporal"], "unreachable");
  assert.deepEqual(
    (body["parts"] as { id: string }[]).map(({ id }) => id),
    ["control-plane", "router-1"],
  );
});
