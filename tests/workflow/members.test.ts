import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { FakeFleet } from "./support/fake-fleet.ts";
import { Stage } from "./support/environment.ts";

let stage: Stage;
before(async () => {
  stage = await Stage.open();
});
after(async () => {
  await stage.close();
});

test("a cell that comes during a rollout joins after the last wave; a removed one is skipped", async () => {
  const fleet = new FakeFleet(3, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet);
    await stage.until(handle, ({ state, wave }) => state === "baking" && wave === 1, 200);
    fleet.addCell("cell-9", "pulse@1");
    fleet.removeCell("cell-3");
    fleet.addCell("cell-4", "pulse@2");
    const done = await handle.result();
    assert.equal(done.state, "completed");
    assert.deepEqual(fleet.live, {
      "cell-1": "pulse@2",
      "cell-2": "pulse@2",
      "cell-9": "pulse@2",
      "cell-4": "pulse@2",
    });
    assert.deepEqual(
      done.cells.map(({ cell, wave, step }) => `${cell} ${wave} ${step}`),
      ["cell-1 1 deployed", "cell-2 2 deployed", "cell-3 3 skipped", "cell-9 4 deployed"],
    );
    assert.deepEqual(
      done.waves.map(({ cells }) => cells),
      [["cell-1"], ["cell-2"], ["cell-3"], ["cell-9"]],
    );
    assert.equal(fleet.claims.size, 0);
  });
});

test("a release that fails while a cell catches up goes back there, too", async () => {
  const fleet = new FakeFleet(1, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet);
    await stage.until(handle, ({ state }) => state === "baking", 200);
    fleet.addCell("cell-9", "pulse@1");
    await stage.until(handle, ({ state, wave }) => state === "baking" && wave === 2, 500);
    fleet.behaviours["pulse@2"] = { failsEvery: 2 };
    const done = await handle.result();
    assert.equal(done.state, "rolled-back");
    assert.deepEqual(fleet.live, { "cell-1": "pulse@1", "cell-9": "pulse@1" });
  });
});
