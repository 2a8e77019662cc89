import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { releaseName } from "../../common/ids.ts";
import { digest, FakeFleet } from "./support/fake-fleet.ts";
import { command, Stage } from "./support/environment.ts";

let stage: Stage;
before(async () => {
  stage = await Stage.open();
});
after(async () => {
  await stage.close();
});

for (const cells of [3, 4]) {
  test(`a good release reaches all of ${cells} cells in waves, within three minutes, canary first`, async () => {
    const fleet = new FakeFleet(cells, "pulse@1");
    await stage.withWorker(fleet, async (queue) => {
      const done = await (await stage.start(queue, fleet)).result();
      const took = Date.parse(done.updatedAt) - Date.parse(done.createdAt);

      assert.equal(done.state, "completed");
      assert.deepEqual(new Set(Object.values(fleet.live)), new Set(["pulse@2"]));
      assert.deepEqual(fleet.besides, [], "no old release runs on");
      assert.equal(fleet.currentRelease, "pulse@2");
      assert.equal(fleet.claims.size, 0);
      assert.ok(took < 180_000, `it took ${took} ms`);
      assert.deepEqual(fleet.last, done, "the registry has the last word");
      assert.ok(done.waves.every(({ state }) => state === "passed"));
      assert.ok(done.history.filter(({ verdict }) => verdict?.verdict === "PASS").length === done.waves.length);
      const switched = fleet.log.filter((step) => step.startsWith("switch"));
      assert.equal(switched.length, cells);
      assert.equal(done.plan.waves[0]?.cells.length, 1);
    });
  });
}

test("within a cell: install, migrate, start beside, switch, publish, drain, stop, in this order", async () => {
  const fleet = new FakeFleet(1, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    await (await stage.start(queue, fleet)).result();
    assert.deepEqual(fleet.log, [
      "install cell-1 pulse@2",
      "migrate cell-1 pulse@2",
      "start cell-1 b pulse@2",
      "switch cell-1 a→b",
      "publish cell-1 b pulse@2",
      "drain cell-1 a",
      "stop cell-1 a",
    ]);
  });
});

test("a release that fails a share of requests is stopped at the canary, quarantined and rolled back", async () => {
  const fleet = new FakeFleet(3, "pulse@1");
  fleet.behaviours["pulse@3-bad"] = { failsEvery: 5 };
  await stage.withWorker(fleet, async (queue) => {
    const done = await (await stage.start(queue, fleet, {}, "pulse@3-bad")).result();
    assert.equal(done.state, "rolled-back");
    assert.match(done.reason ?? "", /% of \d+ requests failed/);
    assert.deepEqual([...fleet.quarantined.keys()], ["pulse@3-bad"]);
    assert.deepEqual(new Set(Object.values(fleet.live)), new Set(["pulse@1"]));
    assert.equal(
      fleet.log.filter((step) => step.startsWith("install") && step.endsWith("pulse@3-bad")).length,
      1,
      "only the canary had it",
    );
    assert.equal(done.history.find(({ verdict }) => verdict?.verdict === "FAIL")?.verdict?.gate, "absolute");
    assert.deepEqual(
      done.waves.map(({ state }) => state),
      ["rolled-back", "pending", "pending"],
    );
    assert.equal(fleet.currentRelease, null);
    assert.equal(fleet.claims.size, 0);
  });
});

test("a release that turns bad in a later wave is rolled back everywhere, the last changed cell first", async () => {
  const fleet = new FakeFleet(3, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    fleet.beforeStep = (step) => {
      if (step.startsWith("switch") && fleet.log.filter((done) => done.startsWith("switch")).length === 1)
        fleet.behaviours["pulse@2"] = { failsEvery: 3 };
    };
    const done = await (await stage.start(queue, fleet)).result();
    assert.equal(done.state, "rolled-back");
    assert.deepEqual(new Set(Object.values(fleet.live)), new Set(["pulse@1"]));
    assert.deepEqual(done.cells.map(({ step }) => step).toSorted(), ["pending", "rolled-back", "rolled-back"]);
  });
});

test("a release that never gets ready leaves the cell as it was; the rollout is rolled back and says why", async () => {
  const fleet = new FakeFleet(3, "pulse@1");
  fleet.behaviours["pulse@2"] = { neverReady: true };
  await stage.withWorker(fleet, async (queue) => {
    const done = await (await stage.start(queue, fleet)).result();
    assert.equal(done.state, "rolled-back");
    assert.match(done.reason ?? "", /cell-1: pulse@2 in slot b of cell-1: the database does not answer/);
    assert.deepEqual([...fleet.quarantined.keys()], ["pulse@2"]);
    assert.deepEqual(fleet.log, [
      "install cell-1 pulse@2",
      "migrate cell-1 pulse@2",
      "start cell-1 b pulse@2",
      "stop cell-1 b",
    ]);
  });
});

test("a migration that fails starts nothing, and is not tried for ever", async () => {
  const fleet = new FakeFleet(3, "pulse@1");
  fleet.behaviours["pulse@2"] = { migrationFails: true };
  await stage.withWorker(fleet, async (queue) => {
    const done = await (await stage.start(queue, fleet)).result();
    assert.equal(done.state, "rolled-back");
    assert.match(done.reason ?? "", /0002-x\.expand\.sql: syntax error/);
    assert.deepEqual(fleet.log, ["install cell-1 pulse@2", "migrate cell-1 pulse@2"]);
    assert.deepEqual([...fleet.quarantined.keys()], ["pulse@2"]);
  });
});

test("a wave of more cells than places: one that is slow holds up nobody, and never more are under way than there are places", async () => {
  const fleet = new FakeFleet(6, "pulse@1");
  const underway = new Set<string>();
  let most = 0;
  const slow = Promise.withResolvers<void>();
  fleet.holdBefore = async (step) => {
    const [what, cell = ""] = step.split(" ");
    if (what === "install") underway.add(cell);
    if (what === "stop") underway.delete(cell);
    most = Math.max(most, underway.size);
    if (step.startsWith("install cell-2")) await slow.promise;
    // All the others are done before the slow one goes on.
    if (step.startsWith("stop cell-6")) slow.resolve();
  };
  await stage.withWorker(fleet, async (queue) => {
    const done = await (await stage.start(queue, fleet, { percentages: [100], cellsAtOnce: 2 })).result();
    assert.equal(done.state, "completed");
    assert.equal(most, 2);
    assert.deepEqual(new Set(Object.values(fleet.live)), new Set(["pulse@2"]));
  });
});

test("a cell that fails ends its wave: those under way settle, no others are begun", async () => {
  const fleet = new FakeFleet(6, "pulse@1");
  fleet.beforeStep = (step) => {
    if (step.startsWith("start cell-3")) fleet.behaviours["pulse@2"] = { neverReady: true };
  };
  await stage.withWorker(fleet, async (queue) => {
    const done = await (await stage.start(queue, fleet, { percentages: [100], cellsAtOnce: 2 })).result();
    assert.equal(done.state, "rolled-back");
    const untouched = done.cells.filter(({ step }) => step === "pending").map(({ cell }) => cell);
    // The first of the two may have left its place to cell-4 before.
    assert.deepEqual(untouched.slice(-2), ["cell-5", "cell-6"]);
  });
});

test("an old release that serves badly does not stand in the way of the next; one that the migration has spoilt does", async () => {
  for (const [journeyFails, state] of [
    ["always", "completed"],
    ["after-migration", "rolled-back"],
  ] as const) {
    const fleet = new FakeFleet(1, "pulse@1");
    fleet.behaviours["pulse@1"] = { journeyFails };
    fleet.migrates = true;
    await stage.withWorker(fleet, async (queue) => {
      const done = await (await stage.start(queue, fleet)).result();
      assert.equal(done.state, state, done.reason ?? "");
    });
  }
});

for (const broken of ["install", "migrate", "start", "switch", "drain", "stop"]) {
  test(`a step that breaks off in mid-${broken} is taken up again, and the cell ends as without the fault`, async () => {
    const fleet = new FakeFleet(1, "pulse@1");
    let faults = 2;
    fleet.beforeStep = (step) => {
      if (!step.startsWith(broken) || faults === 0) return;
      faults -= 1;
      throw new Error("the connection was lost");
    };
    await stage.withWorker(fleet, async (queue) => {
      const done = await (await stage.start(queue, fleet)).result();
      assert.equal(done.state, "completed");
      assert.deepEqual(fleet.live, { "cell-1": "pulse@2" });
      assert.deepEqual(fleet.besides, []);
      assert.equal(faults, 0);
    });
  });
}

test("a release that is live already is not started again: what an interrupted rollout did is found, not repeated", async () => {
  const fleet = new FakeFleet(1, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    let lost = true;
    fleet.beforeStep = (step) => {
      // The switch took effect, but its answer was lost with the worker.
      if (!step.startsWith("publish") && step.startsWith("switch") && lost) {
        lost = false;
        fleet.switchUnseen("cell-1", "b");
        throw new Error("the worker died");
      }
    };
    const done = await (await stage.start(queue, fleet)).result();
    assert.equal(done.state, "completed");
    assert.equal(fleet.log.filter((step) => step.startsWith("switch")).length, 0, "it was switched once, unseen");
    assert.equal(fleet.log.filter((step) => step.startsWith("start")).length, 1);
    assert.deepEqual(fleet.live, { "cell-1": "pulse@2" });
  });
});

test("too few samples never pass: the rollout waits for a decision and touches nothing more", async () => {
  const fleet = new FakeFleet(3, "pulse@1");
  fleet.loadArrives = false;
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet);
    const waiting = await stage.until(handle, ({ state }) => state === "waiting");
    assert.equal(waiting.waitingFor, "decision");
    assert.match(waiting.reason ?? "", /too few samples of cell-1/);
    assert.deepEqual(Object.values(fleet.live), ["pulse@2", "pulse@1", "pulse@1"]);

    fleet.loadArrives = true;
    await command(handle, "resume");
    assert.equal((await handle.result()).state, "completed", "it baked again, and passed");
  });
});

test("a router that does not answer never passes; cancelled, changed cells keep the release", async () => {
  const fleet = new FakeFleet(2, "pulse@1");
  fleet.routerAnswers = false;
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet);
    const waiting = await stage.until(handle, ({ state }) => state === "waiting");
    assert.match(waiting.reason ?? "", /not heard: router-1/);
    await command(handle, "cancel", { reason: "no router" });
    const done = await handle.result();
    assert.equal(done.state, "cancelled");
    assert.deepEqual(Object.values(fleet.live), ["pulse@2", "pulse@1"], "cells that were changed keep the release");
  });
});

test("judging goes on while a person is waited for: a canary that turns bad is rolled back", async () => {
  const fleet = new FakeFleet(3, "pulse@1");
  fleet.loadArrives = false;
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet);
    await stage.until(handle, ({ state }) => state === "waiting");
    fleet.behaviours["pulse@2"] = { failsEvery: 2 };
    fleet.loadArrives = true;
    const timer = setInterval(() => fleet.addTraffic(fleet.canary, 200), 20);
    const done = await handle.result().finally(() => clearInterval(timer));
    assert.equal(done.state, "rolled-back");
    assert.match(done.reason ?? "", /real traffic: .* requests failed/);
  });
});

test("a cell that is just restarting is waited for; one that stays ill is not touched, and the release is not to blame", async () => {
  for (const [looks, state] of [
    [3, "completed"],
    [1_000, "rolled-back"],
  ] as const) {
    const fleet = new FakeFleet(1, "pulse@1");
    fleet.looksUntilReady = looks;
    await stage.withWorker(fleet, async (queue) => {
      const done = await (await stage.start(queue, fleet)).result();
      assert.equal(done.state, state);
      if (state === "completed") return;
      assert.match(done.reason ?? "", /not healthy before the deployment/);
      assert.deepEqual(fleet.log, []);
      assert.equal(fleet.quarantined.size, 0);
    });
  }
});

test("a cell that runs something else than the plan says is not touched", async () => {
  const fleet = new FakeFleet(2, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const planned = stage.start(queue, fleet);
    await fleet.driver.startRelease(fleet.canary, "a", { name: releaseName("pulse@0"), digest });
    fleet.log.length = 0;
    const done = await (await planned).result();
    assert.equal(done.state, "rolled-back");
    assert.match(done.reason ?? "", /cell-1 runs pulse@0, the plan says pulse@1/);
    assert.deepEqual(fleet.log, []);
  });
});

test("a cell that cannot be brought back is told as such, after much patience, and the others are brought back", async () => {
  const fleet = new FakeFleet(2, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet);
    await stage.until(handle, ({ wave, state }) => wave === 2 && state === "baking", 500);
    fleet.broken = fleet.canary;
    await command(handle, "roll-back");
    const done = await handle.result();
    assert.equal(done.state, "rollback-failed");
    assert.match(done.reason ?? "", /cell-1: .*the disk is gone/);
    assert.deepEqual(Object.values(fleet.live), ["pulse@2", "pulse@1"]);
    assert.deepEqual(
      done.waves.map((wave) => wave.state),
      ["failed", "rolled-back"],
    );
    assert.equal(fleet.claims.size, 0);
  });
});

test("a roll-back survives a cell that is ill for a while", async () => {
  const fleet = new FakeFleet(1, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet);
    await stage.until(handle, ({ state }) => state === "baking", 500);
    fleet.looksUntilReady = 6;
    await command(handle, "roll-back");
    const done = await handle.result();
    assert.equal(done.state, "rolled-back");
    assert.deepEqual(fleet.live, { "cell-1": "pulse@1" });
    assert.deepEqual(fleet.besides, []);
  });
});
