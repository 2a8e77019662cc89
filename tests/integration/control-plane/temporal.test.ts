import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import test, { after, before } from "node:test";
import { Client, Connection } from "@temporalio/client";
import { DefaultLogger, NativeConnection, Runtime, Worker } from "@temporalio/worker";
import { systemClock } from "../../../common/clock.ts";
import type { RolloutExplanation, RolloutWhatIfAnswer } from "../../../common/contracts/rollout-records.ts";
import { temporalNames, type Rollout } from "../../../common/contracts/rollout.ts";
import { createRegistry } from "../../../control-plane/registry/registry.ts";
import { findTemporal } from "../../../scripts/setup/temporal.ts";
import { createActivities } from "../../../workflows/activities/create.ts";
import type { DriverPort, RegistryPort } from "../../../workflows/activities/ports.ts";
import { freePort } from "../../support/ports.ts";
import { startPostgres, type TestPostgres } from "../../support/postgres.ts";
import { bundle } from "../../workflow/support/environment.ts";
import { FakeFleet } from "../../workflow/support/fake-fleet.ts";
import { manifestOf, startTestCell, startTestPlane, uploadRelease, type TestCell, type TestPlane } from "./support.ts";

// The control plane, the registry, Temporal and the workflow are real here; the cells are not.

let postgres: TestPostgres;
let server: ChildProcess | undefined;
let startTemporal: () => Promise<void>;
let plane: TestPlane;
let temporalPort: number;
let worker: Worker;
let working: Promise<void>;
let connection: NativeConnection;
const cells: TestCell[] = [];
const fleet = new FakeFleet(3, "pulse@1");
const digests = new Map<string, string>();
const policy = { bakeSeconds: [1], timeScale: 1, minimumSamples: 10 };

before(async () => {
  Runtime.install({ logger: new DefaultLogger("ERROR") });
  const port = await freePort();
  temporalPort = port;
  postgres = await startPostgres();
  plane = await startTestPlane(postgres, { temporal: `127.0.0.1:${port}` });
  for (const name of ["pulse@1", "pulse@2"]) {
    const { body } = await uploadRelease(plane, manifestOf(name));
    digests.set(name, String(body["digest"]));
  }
  for (const id of ["cell-1", "cell-2", "cell-3"]) {
    const cell = await startTestCell(id, "eu", () => plane.key);
    cell.dead = true;
    cells.push(cell);
    await plane.call("POST", "/v1/cells", cell.registration);
  }
  startTemporal = async () => {
    server = await runTemporal(port);
    await runWorker(`127.0.0.1:${port}`);
  };
});

after(async () => {
  if (worker?.getState() === "RUNNING") worker.shutdown();
  await working;
  await connection?.close();
  await plane?.stop();
  await Promise.all(cells.map((cell) => cell.stop()));
  await postgres?.stop();
  if (server?.kill("SIGTERM")) await once(server, "exit");
});

test("a rollout waits for Temporal, is started, commanded, refused what makes no sense, and completed, all told in the registry", async () => {
  const begun = await plane.call("POST", "/v1/rollouts", { release: "pulse@2", policy });
  assert.equal(begun.status, 202, JSON.stringify(begun.body));
  const id = String(begun.body["id"]);
  const early = await plane.call("POST", `/v1/rollouts/${id}/commands`, { command: "pause" });
  assert.deepEqual([early.status, early.body["code"]], [503, "temporal-unreachable"]);
  await startTemporal();
  await until(id, ({ state }) => state !== "planned");

  const paused = await plane.call("POST", `/v1/rollouts/${id}/commands`, { command: "pause", reason: "lunch" });
  assert.deepEqual([paused.status, paused.body["paused"]], [200, true], JSON.stringify(paused.body));
  const again = await plane.call("POST", `/v1/rollouts/${id}/commands`, { command: "pause" });
  assert.deepEqual(
    [again.status, again.body["code"], again.body["refusal"]],
    [409, "command-refused", "not-in-this-state"],
  );
  const other = await plane.call("POST", `/v1/rollouts/${id}/commands`, {
    command: "resume",
    planHash: "0".repeat(64),
  });
  assert.deepEqual([other.status, other.body["refusal"]], [409, "plan-differs"]);
  assert.equal((await plane.call("POST", `/v1/rollouts/${id}/commands`, { command: "resume" })).status, 200);

  const done = await until(id, ({ state }) => state === "completed");
  assert.ok(done.cells.every(({ step }) => step === "deployed"));
  const explained = (await plane.call("GET", `/v1/rollouts/${id}/explain`)).body as unknown as RolloutExplanation;
  assert.equal(explained.decisions.filter(({ verdict }) => verdict.verdict === "PASS").length, done.waves.length);
  assert.ok(explained.watches.filter(({ purpose }) => purpose === "bake").every(({ looks }) => looks.length > 1));
  const judgedAgain = await plane.call("POST", `/v1/rollouts/${id}/what-if`, { policy: {} });
  for (const bake of judgedAgain.body["bakes"] as RolloutWhatIfAnswer["bakes"])
    assert.deepEqual([bake.was.verdict, bake.would.verdict], ["PASS", "PASS"]);

  const { body } = await plane.call("GET", "/v1/audit?limit=50");
  const actions = (body["entries"] as { action: string; outcome: string }[]).map(
    ({ action, outcome }) => `${action} ${outcome}`,
  );
  for (const action of ["rollout.start done", "rollout.pause done", "rollout.pause refused", "rollout.resume done"]) {
    assert.ok(actions.includes(action), `${action} is not in ${actions.join(", ")}`);
  }
  const { rows } = await plane.context.pool.query("SELECT current_release FROM settings");
  assert.deepEqual(rows, [{ current_release: "pulse@2" }]);
});

test("a failing release is rolled back and quarantined; its name is free for the next rollout", async () => {
  fleet.behaviours["pulse@1"] = { failsEvery: 3 };
  const begun = await plane.call("POST", "/v1/rollouts", { release: "pulse@1", policy });
  assert.equal(begun.status, 202, JSON.stringify(begun.body));
  const back = await until(String(begun.body["id"]), ({ state }) => state === "rolled-back");
  assert.ok(back.reason !== null);
  const refused = await plane.call("POST", "/v1/rollouts", { release: "pulse@1", policy });
  assert.deepEqual([refused.status, refused.body["code"]], [409, "release-quarantined"]);
});

test("the line is stopped for every rollout by one call; a command that was meant for another state is refused, and says why", async () => {
  fleet.behaviours["pulse@1"] = {};
  const { body: release } = await uploadRelease(plane, manifestOf("pulse@3"));
  digests.set("pulse@3", String(release["digest"]));
  const begun = await plane.call("POST", "/v1/rollouts", {
    release: "pulse@3",
    policy: { ...policy, bakeSeconds: [3_600], minimumSamples: 1 },
  });
  assert.equal(begun.status, 202, JSON.stringify(begun.body));
  const id = String(begun.body["id"]);
  const baking = await until(id, ({ state }) => state === "baking");

  const reason = "payments are down";
  assert.equal((await plane.call("PUT", "/v1/line", { stopped: true })).status, 400, "without a reason");
  const line = await plane.call("PUT", "/v1/line", { stopped: true, reason });
  assert.deepEqual([line.status, line.body["stopped"], line.body["by"]], [200, true, "operator"]);
  const stopped = await until(id, (rollout) => rollout.stopped === true);
  assert.equal(stopped.history.at(-1)?.reason, reason);
  const { body: second } = await plane.call("POST", "/v1/rollouts", { release: "pulse@3", policy });
  assert.equal(second["code"], "rollout-running");

  const give = (seen: Rollout, command: string, more: object = {}) =>
    plane.call("POST", `/v1/rollouts/${id}/commands`, { command, wave: seen.wave, revision: seen.revision, ...more });
  const late = await give(baking, "end-bake");
  assert.deepEqual([late.status, late.body["refusal"]], [409, "revision-differs"], JSON.stringify(late.body));
  const bare = await plane.call("POST", `/v1/rollouts/${id}/commands`, { command: "end-bake" });
  assert.deepEqual([bare.status, bare.body["refusal"]], [409, "command-incomplete"]);
  const longer = await give(stopped, "extend-bake", { seconds: 60 });
  assert.equal(longer.status, 200, JSON.stringify(longer.body));
  const skipped = await give(longer.body as unknown as Rollout, "skip-cell", { cell: "cell-3" });
  const cells = (skipped.body as unknown as Rollout).cells;
  assert.equal(cells.find(({ cell }) => cell === "cell-3")?.step, "skipped");
  assert.equal((await give(skipped.body as unknown as Rollout, "end-bake")).status, 200);
  const passed = await until(id, ({ waves }) => waves[0]?.state === "passed");
  assert.equal(passed.wave, 2);
  assert.equal(passed.cells.find(({ wave }) => wave === 2)?.step, "pending", "the line is still stopped");

  await plane.call("PUT", "/v1/line", { stopped: false, reason: "they are back" });
  const again = await until(id, ({ state, wave }) => state === "baking" && wave === 2);
  assert.equal(again.stopped, false);
  // Temporal's own index follows within a moment.
  const found = await eventually(
    () => idsInTemporal('CellplaneState = "baking" AND CellplaneWave = 2 AND CellplaneRelease = "pulse@3"'),
    (ids) => ids.length > 0,
  );
  assert.deepEqual(found, ["rollout/pulse"]);
  const failed = await give(again, "override", { verdict: "FAIL", reason: "it sends wrong invoices" });
  assert.equal(failed.status, 200, JSON.stringify(failed.body));
  // The wave goes back; whether the other does, a person is asked.
  await until(id, ({ waitingFor }) => waitingFor === "decision");
  await plane.call("POST", `/v1/rollouts/${id}/commands`, { command: "roll-back" });
  await until(id, ({ state }) => state === "rolled-back");
  const { body: audit } = await plane.call("GET", "/v1/audit?limit=50");
  const told = (audit["entries"] as { action: string; target: string; outcome: string }[]).map(
    ({ action, target, outcome }) => `${action} ${target} ${outcome}`,
  );
  for (const entry of [
    "line.stop all rollouts done",
    "line.release all rollouts done",
    "rollout.end-bake pulse@3 refused",
    "rollout.skip-cell pulse@3 in cell-3 done",
    "rollout.override pulse@3 done",
    "release.quarantine pulse@3 done",
  ])
    assert.ok(told.includes(entry), `${entry} is not in ${told.join(", ")}`);
});

test("a workflow that answers is not abandoned; one that does not is ended", async () => {
  const { body: release } = await uploadRelease(plane, manifestOf("pulse@4"));
  digests.set("pulse@4", String(release["digest"]));
  const begun = await plane.call("POST", "/v1/rollouts", {
    release: "pulse@4",
    policy: { ...policy, bakeSeconds: [3_600] },
  });
  assert.equal(begun.status, 202, JSON.stringify(begun.body));
  const id = String(begun.body["id"]);
  await until(id, ({ state }) => state === "baking");
  const abandon = () => plane.call("POST", `/v1/operations/${id}/abandon`, { reason: "nobody is there" });
  const alive = await abandon();
  assert.deepEqual([alive.status, alive.body["code"]], [409, "operation-alive"], JSON.stringify(alive.body));

  worker.shutdown();
  await working;
  const lost = await abandon();
  assert.deepEqual([lost.status, lost.body["workflow"]], [200, "ended"], JSON.stringify(lost.body));
  assert.deepEqual(await idsInTemporal('ExecutionStatus = "Running"'), []);
  const { state, cells: left } = await until(id, () => true);
  assert.equal(state, "cancelled");
  assert.equal(left.find(({ wave }) => wave === 1)?.step, "deployed", "it keeps what it runs");
});

async function idsInTemporal(query: string): Promise<string[]> {
  const client = new Client({ connection: await Connection.connect({ address: `127.0.0.1:${temporalPort}` }) });
  try {
    const ids: string[] = [];
    for await (const { workflowId } of client.workflow.list({ query })) ids.push(workflowId);
    return ids;
  } finally {
    await client.connection.close();
  }
}

async function eventually<T>(read: () => Promise<T>, wanted: (value: T) => boolean): Promise<T> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const value = await read();
    if (wanted(value)) return value;
    assert.ok(performance.now() < deadline, JSON.stringify(value));
    await sleep(100);
  }
}

async function runTemporal(port: number): Promise<ChildProcess> {
  const temporal = findTemporal();
  if (temporal.kind !== "program") throw new Error("Temporal's dev server is missing: `npm test` brings it");
  const args = ["server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", String(port)];
  const child = spawn(temporal.path, args, { stdio: "ignore" });
  await once(child, "spawn");
  return child;
}

async function runWorker(address: string): Promise<void> {
  connection = await connected(address);
  const driver: DriverPort = {
    ...fleet.driver,
    async status(id) {
      const { liveSlot, claim, slots } = await fleet.driver.status(id);
      const named = (slot: "a" | "b") => ({ ...slots[slot], digest: digests.get(slots[slot].release ?? "") ?? null });
      return { liveSlot, claim, slots: { a: named("a"), b: named("b") } };
    },
  };
  const real: RegistryPort = createRegistry(plane.context.pool);
  const registry: RegistryPort = { ...real, cell: fleet.registry.cell, routers: fleet.registry.routers };
  const activities = createActivities({
    clock: systemClock,
    driver,
    registry,
    synthetic: fleet.synthetic,
    parts: fleet.parts,
    readyWithinMs: 300,
  });
  worker = await Worker.create({
    connection,
    taskQueue: temporalNames.taskQueue,
    workflowBundle: { codePath: await bundle() },
    activities,
  });
  working = worker.run();
}

async function until(id: string, wanted: (rollout: Rollout) => boolean): Promise<Rollout> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const rollout = (await plane.call("GET", `/v1/rollouts/${id}`)).body as unknown as Rollout;
    if (wanted(rollout)) return rollout;
    assert.ok(performance.now() < deadline, JSON.stringify(rollout, null, 1));
    await sleep(50);
  }
}

async function connected(address: string): Promise<NativeConnection> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    try {
      return await NativeConnection.connect({ address });
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(100);
    }
  }
}
