import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Rollout } from "../../common/contracts/rollout.ts";
import { cellId, operationId } from "../../common/ids.ts";
import { uuidv7 } from "../../common/uuid.ts";
import { FakeFleet } from "./support/fake-fleet.ts";
import { Stage } from "./support/environment.ts";

let stage: Stage;
before(async () => {
  stage = await Stage.open();
});
after(async () => {
  await stage.close();
});

const waitsForMoves = ({ waitingFor }: Rollout): boolean => waitingFor === "moves";
const second = cellId("cell-2");

test("a rollout waits for a move that holds a cell, says so, and goes on when it has ended", async () => {
  const fleet = new FakeFleet(2, "pulse@1");
  fleet.claims.set(second, operationId(uuidv7()));
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet);
    const waiting = await stage.until(handle, waitsForMoves, 100);
    assert.equal(waiting.state, "waiting");
    assert.match(waiting.reason ?? "", /cell-2 is claimed/);
    await stage.until(handle, () => fleet.claimsAsked > 5, 5_000);
    assert.deepEqual(fleet.log, []);
    fleet.claims.delete(second);
    const done = await handle.result();
    assert.equal(done.state, "completed");
    assert.equal(done.history.filter(({ event }) => event === "waits").length, 1, "told once, however often it asked");
  });
});

test("an evacuation outranks a rollout: it gives way before the cell is touched, judges on, and takes it up afterwards", async () => {
  const fleet = new FakeFleet(3, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet);
    await stage.until(handle, ({ state }) => state === "baking", 200);
    fleet.claims.set(second, operationId(uuidv7()));
    const waiting = await stage.until(handle, waitsForMoves);
    assert.deepEqual([waiting.wave, waiting.waves[0]?.state], [2, "passed"]);
    // The canary is watched meanwhile.
    await stage.until(handle, () => fleet.looks.some(({ purpose, looks }) => purpose === "wait" && looks > 5), 5_000);
    assert.deepEqual(Object.values(fleet.live), ["pulse@2", "pulse@1", "pulse@1"]);
    fleet.claims.delete(second);
    assert.equal((await handle.result()).state, "completed");
    assert.equal(fleet.claims.size, 0);
  });
});

test("a cell that is taken at the very moment when it was to be changed is no failure of anybody's", async () => {
  const fleet = new FakeFleet(2, "pulse@1");
  const other = operationId(uuidv7());
  let taken = false;
  fleet.beforeClaimed = (cell) => {
    if (cell !== second || taken) return;
    taken = true;
    fleet.claims.set(cell, other);
  };
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet);
    const waiting = await stage.until(handle, waitsForMoves);
    assert.equal(waiting.cells[1]?.step, "pending");
    fleet.claims.delete(second);
    const done = await handle.result();
    assert.equal(done.state, "completed");
    assert.deepEqual(Object.values(fleet.live), ["pulse@2", "pulse@2"]);
  });
});

test("a roll-back takes back the cells that somebody took meanwhile, when they are free", async () => {
  const fleet = new FakeFleet(2, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet);
    await stage.until(handle, ({ state }) => state === "baking", 200);
    fleet.claims.set(fleet.canary, operationId(uuidv7()));
    fleet.behaviours["pulse@2"] = { failsEvery: 2 };
    await stage.until(handle, ({ history }) => history.some(({ event }) => event === "waits-for-cells"));
    fleet.claims.delete(fleet.canary);
    const done = await handle.result();
    assert.equal(done.state, "rolled-back");
    assert.deepEqual(Object.values(fleet.live), ["pulse@1", "pulse@1"]);
  });
});
