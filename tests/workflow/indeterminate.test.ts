import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { temporalNames, type Rollout } from "../../common/contracts/rollout.ts";
import type { RolloutPolicy } from "../../common/contracts/rollout-policy.ts";
import { operationId } from "../../common/ids.ts";
import { FakeFleet } from "./support/fake-fleet.ts";
import { Stage, type Handle } from "./support/environment.ts";

// On Temporal itself: its test server does not tell a parent that its child was terminated.
const quick: Partial<RolloutPolicy> = { timeScale: 1, bakeSeconds: [1], minimumSamples: 10 };

let stage: Stage;
before(async () => {
  stage = await Stage.openReal();
});
after(async () => {
  await stage.close();
});

async function endChild(handle: Handle, cell: string): Promise<void> {
  const { id } = await handle.query<Rollout>(temporalNames.stateQuery);
  const child = temporalNames.cellDeployId(operationId(id), cell, "forward");
  await stage.environment.client.workflow.getHandle(child).terminate("an accident");
}

test("a cell whose change broke off before the switch is looked at: it is as before, and what still tries is refused", async () => {
  const fleet = new FakeFleet(1, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const gate = Promise.withResolvers<void>();
    let held = false;
    fleet.holdBefore = async (step) => {
      if (!step.startsWith("start cell-1 b") || held) return;
      held = true;
      await gate.promise;
    };
    const handle = await stage.start(queue, fleet, quick);
    await stage.until(handle, () => held, 20);
    await endChild(handle, "cell-1");
    const done = await handle.result();
    gate.resolve();
    assert.equal(done.state, "rolled-back");
    assert.match(done.reason ?? "", /cell-1: .*The cell was looked at, and is as before/);
    assert.ok(
      done.history.some(({ event }) => event === "cell-indeterminate"),
      "nobody guessed",
    );
    assert.equal(fleet.quarantined.size, 0);
  });
  // The worker has ended, and with it what still tried.
  assert.deepEqual([Object.values(fleet.live), fleet.besides], [["pulse@1"], []]);
  assert.ok(!fleet.log.some((step) => step.startsWith("start")), "it was refused");
});

test("one whose change broke off after the switch has the release, and the rollout goes on", async () => {
  const fleet = new FakeFleet(1, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const gate = Promise.withResolvers<void>();
    let held = false;
    fleet.holdBefore = async (step) => {
      if (!step.startsWith("drain cell-1 a") || held) return;
      held = true;
      await gate.promise;
    };
    const handle = await stage.start(queue, fleet, quick);
    await stage.until(handle, () => held, 20);
    await endChild(handle, "cell-1");
    const done = await handle.result();
    gate.resolve();
    assert.equal(done.state, "completed");
    assert.deepEqual([Object.values(fleet.live), fleet.besides], [["pulse@2"], []]);
    assert.equal(fleet.log.filter((step) => step.startsWith("switch")).length, 1);
  });
});
