import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { BeforeDeploy } from "../../common/contracts/bake.ts";
import { latencyBoundsMs } from "../../common/contracts/samples.ts";
import { FakeFleet } from "./support/fake-fleet.ts";
import { command, Stage } from "./support/environment.ts";

let stage: Stage;
before(async () => {
  stage = await Stage.open();
});
after(async () => {
  await stage.close();
});

const rolledBack = new Set(["pulse@1"]);

test("a wave that turns bad goes back at once; the waves before it are judged again, and go back too when they are bad", async () => {
  const fleet = new FakeFleet(3, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet);
    await stage.until(handle, ({ wave, state }) => wave === 2 && state === "baking", 200);
    fleet.behaviours["pulse@2"] = { failsEvery: 3 };
    const done = await handle.result();
    assert.equal(done.state, "rolled-back");
    assert.match(done.reason ?? "", /cell-2.*; in wave 1, too: cell-1/);
    assert.deepEqual(new Set(Object.values(fleet.live)), rolledBack);
    const again = done.history.find(({ event, wave }) => event === "observed" && wave === 1);
    assert.equal(again?.verdict?.verdict, "FAIL", "the verdict on wave 1 over the same time is kept");
  });
});

test("where the waves before are good, a person has a while to decide; nobody's decision undoes them too", async () => {
  const fleet = new FakeFleet(3, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    fleet.badAt = "cell-2";
    const handle = await stage.start(queue, fleet, { decisionSeconds: 36_000 });
    const waiting = await stage.until(handle, ({ waitingFor }) => waitingFor === "decision");
    assert.deepEqual(Object.values(fleet.live), ["pulse@2", "pulse@1", "pulse@1"], "the bad wave alone went back");
    assert.deepEqual([...fleet.quarantined.keys()], ["pulse@2"]);
    assert.deepEqual(
      waiting.waves.map(({ state }) => state),
      ["passed", "rolled-back", "pending"],
    );
    const done = await handle.result();
    assert.equal(done.state, "rolled-back");
    assert.deepEqual(new Set(Object.values(fleet.live)), rolledBack);
    assert.ok(done.history.some(({ reason }) => reason === "nobody decided in time"));
  });
});

test("a person may let the good waves keep the release", async () => {
  const fleet = new FakeFleet(2, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    fleet.badAt = "cell-2";
    const handle = await stage.start(queue, fleet, { decisionSeconds: 604_800 });
    await stage.until(handle, ({ waitingFor }) => waitingFor === "decision");
    await command(handle, "cancel", { reason: "cell-2 has a bad disk" });
    assert.equal((await handle.result()).state, "cancelled");
    assert.deepEqual(Object.values(fleet.live), ["pulse@2", "pulse@1"]);
  });
});

test("errors that rise against the other cells stop a canary that is still far within its objective", async () => {
  const fleet = new FakeFleet(3, "pulse@1");
  fleet.before = fleet.cellIds.map((cell): BeforeDeploy => {
    const latency = [...latencyBoundsMs.map(() => 0), 0].with(4, 720_000);
    return { cell, seconds: 3_600, requests: 720_000, errors: 720, latency };
  });
  fleet.traffic = fleet.cellIds.map((cell) => ({ cell, seconds: 3_600, requests: 720_000, errors: 720 }));
  fleet.behaviours["pulse@1"] = { failsEvery: 1_000 };
  fleet.behaviours["pulse@2"] = { failsEvery: 120 };
  await stage.withWorker(fleet, async (queue) => {
    const timer = setInterval(() => fleet.cellIds.forEach((cell) => fleet.addTraffic(cell, 300)), 10);
    const handle = await stage.start(queue, fleet, { timeScale: 1, judging: { sloObjective: 0.99 } });
    const done = await handle.result().finally(() => clearInterval(timer));
    assert.equal(done.state, "rolled-back");
    assert.match(done.reason ?? "", /cell-1: \d+\.\d times the errors of before the deploy, compared with 2 cells/);
    const verdict = done.history.find(({ verdict: given }) => given?.verdict === "FAIL")?.verdict;
    assert.equal(verdict?.gate, "relative");
    assert.equal(verdict.gates?.length, 8, "every gate says what it found");
  });
});

test("looks that cannot be taken are no verdict: after five in a row a person is asked, and asked only", async () => {
  const fleet = new FakeFleet(2, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet, { timeScale: 1 });
    await stage.until(handle, ({ state }) => state === "baking", 500);
    fleet.looksFail = Infinity;
    const waiting = await stage.until(handle, ({ state }) => state === "waiting", 60_000);
    assert.equal(waiting.waitingFor, "decision");
    assert.match(waiting.reason ?? "", /5 looks in a row could not be taken: the registry does not answer/);
    assert.equal(fleet.quarantined.size, 0);
    assert.deepEqual(Object.values(fleet.live), ["pulse@2", "pulse@1"]);
    fleet.looksFail = 0;
    await command(handle, "resume");
    assert.equal((await handle.result()).state, "completed");
  });
});

test("a few that fail are made up for by the next", async () => {
  const fleet = new FakeFleet(1, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet);
    await stage.until(handle, ({ state }) => state === "baking", 200);
    fleet.looksFail = 4;
    assert.equal((await handle.result()).state, "completed");
  });
});

test("a quiet cell gets the load that its plan said", async () => {
  const fleet = new FakeFleet(1, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const done = await (await stage.start(queue, fleet, { bakeSeconds: [9_000] })).result();
    const [power] = done.plan.waves[0]?.power ?? [];
    assert.deepEqual([power?.comparable, power?.syntheticPerSecond], [false, 20]);
    const verdict = done.history.find(({ verdict: given }) => given?.verdict === "PASS")?.verdict;
    assert.equal(verdict?.numbers["syntheticRequests"], 20 * 30);
    const relative = verdict?.gates?.find(({ gate }) => gate === "relative");
    assert.equal(relative?.outcome, "not-applicable");
  });
});
