import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import test, { after, before } from "node:test";
import type { Rollout, RolloutPlan } from "../../../common/contracts/rollout.ts";
import { latencyBoundsMs, type Samples } from "../../../common/contracts/samples.ts";
import { cellId, operationId, releaseName } from "../../../common/ids.ts";
import { createLog } from "../../../common/log.ts";
import { createTrafficRecorder } from "../../../control-plane/fleet/traffic-recorder.ts";
import { dropReadings, readingsBetween, storeReading } from "../../../control-plane/registry/readings.store.ts";
import { createRegistry } from "../../../control-plane/registry/registry.ts";
import { freePort } from "../../support/ports.ts";
import { startPostgres, type TestPostgres } from "../../support/postgres.ts";
import { manifestOf, startTestCell, startTestPlane, uploadRelease, type TestCell, type TestPlane } from "./support.ts";

let postgres: TestPostgres;
let plane: TestPlane;
const cells: TestCell[] = [];

before(async () => {
  postgres = await startPostgres();
  plane = await startTestPlane(postgres, { temporal: `127.0.0.1:${await freePort()}` });
  for (const name of ["pulse@1", "pulse@2", "pulse@3"]) await uploadRelease(plane, manifestOf(name));
  for (const id of ["cell-1", "cell-2"]) {
    const cell = await startTestCell(id, "eu", () => plane.key);
    cells.push(cell);
    await plane.call("POST", "/v1/cells", cell.registration);
  }
});
after(async () => {
  await plane?.stop();
  await Promise.all(cells.map((cell) => cell.stop()));
  await postgres?.stop();
});

const minute = 60_000;

/** A router's reading of two cells that have had so many requests, one in a hundred of them an error. */
function reading(source: string, at: number, requests: number): Samples {
  return {
    source,
    instance: "one",
    at: new Date(at).toISOString(),
    counters: ["cell-1", "cell-2"].map((id) => ({
      cell: cellId(id),
      release: releaseName("pulse@1"),
      synthetic: false,
      requests,
      errors: Math.floor(requests / 100),
      latency: [...latencyBoundsMs.map(() => 0), 0].with(3, requests),
    })),
  };
}

async function planned(release: string, policy: object = {}): Promise<RolloutPlan> {
  const { status, body } = await plane.call("POST", "/v1/rollouts/plans", { release, policy });
  assert.equal(status, 201, JSON.stringify(body));
  return body as unknown as RolloutPlan;
}

test("a plan is stored under its hash, the same request makes the same plan, and nothing is begun", async () => {
  const plan = await planned("pulse@2");
  assert.equal((await planned("pulse@2")).hash, plan.hash);
  const shown = await plane.call("GET", `/v1/rollouts/plans/${plan.hash}`);
  assert.deepEqual(shown.body, plan);
  assert.equal((await plane.call("GET", `/v1/rollouts/plans/${"0".repeat(64)}`)).body["code"], "unknown-plan");
  assert.deepEqual((await plane.call("GET", "/v1/rollouts")).body["rollouts"], []);
});

test("planning knows the routers' counters: which cells can be compared, and what stands in", async () => {
  const now = Date.now();
  for (const [ago, requests] of [
    [59, 0],
    [30, 36_000],
    [1, 72_000],
  ] as const)
    await storeReading(
      plane.context.pool,
      reading("router-9", now - ago * minute, requests),
      new Date(now - ago * minute),
    );
  const powers = (await planned("pulse@2", { timeScale: 1 })).waves.flatMap(({ power }) => power ?? []);
  assert.ok(Math.abs((powers[0]?.requestsPerSecond ?? 0) - 20.7) < 0.1, JSON.stringify(powers));
  assert.deepEqual([powers[0]?.comparable, powers[1]?.comparable], [true, false]);
  assert.match(powers[1]?.reason ?? "", /no cell is left on the old release/);
  assert.equal(powers[1]?.syntheticPerSecond, 20);
});

test("exactly a stored plan is carried out, or refused where the fleet has changed since", async () => {
  const plan = await planned("pulse@2", { minimumSamples: 7 });
  const wrong = await plane.call("POST", "/v1/rollouts", { release: "pulse@3", plan: plan.hash });
  assert.deepEqual([wrong.status, wrong.body["code"]], [404, "unknown-plan"]);
  const begun = await plane.call("POST", "/v1/rollouts", { release: "pulse@2", plan: plan.hash });
  assert.equal(begun.status, 202, JSON.stringify(begun.body));
  assert.deepEqual((begun.body as unknown as Rollout).plan, plan);
  await plane.call("POST", `/v1/rollouts/${String(begun.body["id"])}/commands`, { command: "cancel" });

  const registry = createRegistry(plane.context.pool);
  await registry.publishLive(cellId("cell-2"), "b", releaseName("pulse@3"));
  const outdated = await plane.call("POST", "/v1/rollouts", { release: "pulse@2", plan: plan.hash });
  assert.deepEqual([outdated.status, outdated.body["code"]], [409, "plan-outdated"]);
  assert.match(String(outdated.body["detail"]), /cell-2 runs pulse@3/);
  await registry.publishLive(cellId("cell-2"), "a", releaseName("pulse@1"));
});

test("a cell's maintenance windows are in the next plan", async () => {
  const windows = [{ name: "nights", timeZone: "Europe/Berlin", days: ["sat", "sun"], from: "22:00", to: "06:00" }];
  const set = await plane.call("PUT", "/v1/cells/cell-2/maintenance", { windows, reason: "as agreed" });
  assert.deepEqual([set.status, set.body], [200, { windows }]);
  assert.deepEqual((await plane.call("GET", "/v1/cells/cell-2/maintenance")).body, { windows });
  const inPlan = (await planned("pulse@2")).waves.flatMap((wave) => wave.cells).map(({ maintenance }) => maintenance);
  assert.deepEqual(inPlan, [undefined, windows]);
  const mars = [{ ...windows[0], timeZone: "Mars/Olympus" }];
  const refused = await plane.call("PUT", "/v1/cells/cell-2/maintenance", { windows: mars });
  assert.deepEqual([refused.status, refused.body["code"]], [400, "unknown-time-zone"]);
  assert.equal((await plane.call("PUT", "/v1/cells/cell-9/maintenance", { windows: [] })).status, 404);
  await plane.call("PUT", "/v1/cells/cell-2/maintenance", { windows: [] });
});

test("a rollout is explained by what was seen, and judged anew under another policy", async () => {
  const begun = await plane.call("POST", "/v1/rollouts", { release: "pulse@2", policy: { timeScale: 1 } });
  const rollout = begun.body as unknown as Rollout;
  const registry = createRegistry(plane.context.pool);
  const operation = operationId(rollout.id);
  const release = releaseName("pulse@2");
  const cell = cellId("cell-1");
  const beganAt = new Date();
  const request = {
    wave: 1,
    number: 1,
    purpose: "bake" as const,
    beganAt: beganAt.toISOString(),
    deployedAt: beganAt.toISOString(),
    cells: [{ cell, release }],
    controls: [cellId("cell-2")],
    powerless: [],
    earlier: [],
  };
  await registry.openWatch(operation, request);
  await registry.openWatch(operation, { ...request, wave: 2 });
  const check = { cell, answered: true, ready: true, release, problems: [] };
  const at = (n: number): Samples => {
    const counters = reading("router-1", 0, 600 * n).counters.map((one) => ({
      ...one,
      release: one.cell === cell ? release : one.release,
      errors: one.cell === cell ? 3 * n : 0,
    }));
    return {
      source: "router-1",
      instance: "one",
      at: new Date(beganAt.getTime() + n * minute).toISOString(),
      counters,
    };
  };
  for (let n = 0; n < 4; n += 1) {
    const seen = { checks: [check], readings: [at(n)], missing: [], error: null };
    const time = { seconds: 60 * n, now: beganAt.getTime() + n * minute };
    await registry.addLook({ operation, number: 1, look: n }, seen, time, 30);
    if (n === 2) await registry.addLook({ operation, number: 1, look: n }, seen, time, 30);
  }
  assert.equal((await registry.watch(operation, 1, 2)).looks.length, 2, "those before the third");
  await assert.rejects(registry.watch(operation, 2), { code: "unknown-watch" });

  const explained = await plane.call("GET", `/v1/rollouts/${rollout.id}/explain`);
  const [watch] = explained.body["watches"] as Awaited<ReturnType<typeof registry.watch>>[];
  assert.equal(explained.status, 200);
  assert.equal(watch?.wave, 1, "the first that opened it");
  assert.deepEqual(
    watch.looks.map(({ counters }) => counters.find((one) => one.cell === cell)?.requests ?? 0),
    [0, 600, 600, 600],
    "a look that is told twice is kept once",
  );
  assert.equal(watch.comparison?.before.length, 2, "the hour before the deploy");

  const whatIf = async (policy: object): Promise<string> => {
    const { status, body } = await plane.call("POST", `/v1/rollouts/${rollout.id}/what-if`, { policy });
    assert.equal(status, 200, JSON.stringify(body));
    const [bake] = body["bakes"] as {
      was: { verdict: string };
      would: { verdict: string; gate: string };
      afterSeconds: number;
    }[];
    return `${bake?.was.verdict} → ${bake?.would.verdict} ${bake?.would.gate} after ${bake?.afterSeconds}`;
  };
  assert.match(await whatIf({ successObjective: 0.999 }), /→ FAIL absolute/);
  assert.match(
    await whatIf({ successObjective: 0.9, judging: { sloObjective: 0.9, leastRatio: 100 } }),
    /→ PASS absolute after 180/,
  );
  const refused = await plane.call("POST", `/v1/rollouts/${rollout.id}/what-if`, { policy: { percentages: [50, 10] } });
  assert.deepEqual([refused.status, refused.body["code"]], [400, "invalid-policy"]);
  await plane.call("POST", `/v1/rollouts/${rollout.id}/commands`, { command: "cancel" });
});

test("the recorder notes each router once a minute, and forgets what is old", async () => {
  const { pool, clock, parts } = plane.context;
  const router = createServer((_request, response) => {
    const { source: _source, ...rest } = reading("router-1", Date.now(), 500);
    response.setHeader("content-type", "application/json").end(JSON.stringify({ ...rest, source: "itself" }));
  });
  router.listen(0, "127.0.0.1");
  await once(router, "listening");
  const url = `http://127.0.0.1:${(router.address() as AddressInfo).port}`;
  await plane.call("PUT", "/v1/parts/router-1", { role: "router", keys: [plane.key.spki], url });
  await plane.call("PUT", "/v1/parts/router-2", { role: "router", keys: [plane.key.spki], url: "http://127.0.0.1:9" });
  await storeReading(pool, reading("router-old", 0, 1), new Date(Date.now() - 24 * 60 * minute));
  const recorder = createTrafficRecorder({ pool, clock, parts, log: createLog("test", "silent") });
  recorder.start();
  const since = new Date(Date.now() - 2 * minute);
  const deadline = performance.now() + 30_000;
  const noted = async () =>
    (await readingsBetween(pool, since, new Date())).filter(({ source }) => source === "router-1");
  while ((await noted()).length === 0) assert.ok(performance.now() < deadline, "nothing was noted");
  recorder.signal();
  await recorder.stop();
  assert.equal((await noted())[0]?.counters[0]?.requests, 500);
  const old = await readingsBetween(pool, new Date(0), new Date(Date.now() - 12 * 60 * minute));
  assert.deepEqual(old, []);
  router.close();
  router.closeAllConnections();
  await once(router, "close");
  await dropReadings(pool, new Date(Date.now() + minute));
  assert.deepEqual(await noted(), []);
});
