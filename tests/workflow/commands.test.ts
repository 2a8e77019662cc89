import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WorkflowUpdateFailedError } from "@temporalio/client";
import { ApplicationFailure } from "@temporalio/common";
import type { Rollout } from "../../common/contracts/rollout.ts";
import { operationId } from "../../common/ids.ts";
import { uuidv7 } from "../../common/uuid.ts";
import { FakeFleet } from "./support/fake-fleet.ts";
import { command, Stage } from "./support/environment.ts";

let stage: Stage;
before(async () => {
  stage = await Stage.open();
});
after(async () => {
  await stage.close();
});

/** Whether an update was refused by its validator, with this code and a reason that fits. */
function refusedWith(code: string, reason: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof WorkflowUpdateFailedError);
    assert.ok(error.cause instanceof ApplicationFailure);
    assert.equal(error.cause.type, code);
    assert.match(error.cause.message, reason);
    return true;
  };
}

const baking = ({ state }: Rollout): boolean => state === "baking";
const atOldRelease = new Set(["pulse@1"]);

test("paused, judging goes on and nothing new begins; resumed, it goes on", async () => {
  const fleet = new FakeFleet(3, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet);
    await stage.until(handle, baking, 200);
    const paused = await command(handle, "pause", { reason: "a look first" });
    assert.equal(paused.paused, true);
    assert.equal(paused.state, "baking", "paused is a flag beside the state");
    await assert.rejects(command(handle, "pause"), refusedWith("not-in-this-state", /paused already/));

    const held = await stage.until(handle, ({ waves }) => waves[0]?.state === "passed");
    await stage.environment.sleep(120_000);
    assert.equal(held.waves[0]?.state, "passed", "the canary was judged");
    assert.deepEqual(Object.values(fleet.live), ["pulse@2", "pulse@1", "pulse@1"], "the next wave was not begun");
    const { waves } = await stage.until(handle, () => true);
    assert.deepEqual(
      waves.map(({ state }) => state),
      ["passed", "pending", "pending"],
    );

    await command(handle, "resume");
    const done = await handle.result();
    assert.equal(done.state, "completed");
    assert.deepEqual(
      done.history.filter(({ actor }) => actor === "anna").map(({ event, reason }) => [event, reason]),
      [
        ["pause", "a look first"],
        ["resume", null],
      ],
    );
  });
});

test("halted, it is frozen in place; resumed, it bakes again", async () => {
  const fleet = new FakeFleet(2, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet);
    await stage.until(handle, baking, 200);
    assert.equal((await command(handle, "halt", { reason: "a complaint" })).state, "halted");
    await stage.environment.sleep(600_000);
    assert.deepEqual(Object.values(fleet.live), ["pulse@2", "pulse@1"]);
    await assert.rejects(command(handle, "pause"), refusedWith("not-in-this-state", /more than paused/));
    await assert.rejects(command(handle, "halt"), refusedWith("not-in-this-state", /halted already/));
    await command(handle, "resume");
    assert.equal((await handle.result()).state, "completed");
  });
});

test("halted, it can be rolled back; that is no verdict on the release", async () => {
  const fleet = new FakeFleet(2, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet);
    await stage.until(handle, baking, 200);
    await command(handle, "halt");
    await command(handle, "roll-back", { reason: "not today" });
    const done = await handle.result();
    assert.equal(done.state, "rolled-back");
    assert.equal(done.reason, "not today");
    assert.deepEqual(new Set(Object.values(fleet.live)), atOldRelease);
    assert.equal(fleet.quarantined.size, 0);
  });
});

test("a roll-back in mid-deployment waits until the cell has settled, then takes it back", async () => {
  const fleet = new FakeFleet(2, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const gate = Promise.withResolvers<void>();
    fleet.holdBefore = async (step) => (step.startsWith("install cell-1 pulse@2") ? await gate.promise : undefined);
    const handle = await stage.start(queue, fleet);
    await stage.until(handle, ({ cells }) => cells[0]?.step === "checking", 100);
    const told = await command(handle, "roll-back");
    assert.equal(told.state, "deploying", "a cell is never left half-way");
    await assert.rejects(command(handle, "roll-back"), refusedWith("not-in-this-state", /about to begin/));
    gate.resolve();
    const done = await handle.result();
    assert.equal(done.state, "rolled-back");
    assert.deepEqual(new Set(Object.values(fleet.live)), atOldRelease);
  });
});

test("a command for another plan, or for a state that has passed, is refused", async () => {
  const fleet = new FakeFleet(2, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet);
    const seen = await stage.until(handle, baking, 200);
    await assert.rejects(command(handle, "halt", { planHash: "f".repeat(64) }), refusedWith("plan-differs", /plan is/));
    await command(handle, "pause", { planHash: seen.plan.hash, revision: seen.revision });
    await assert.rejects(
      command(handle, "halt", { revision: seen.revision }),
      refusedWith("revision-differs", /is at revision/),
    );
    await command(handle, "cancel");
    assert.equal((await handle.result()).state, "cancelled");
  });
});

test("while another operation has a cell it waits, touches nothing, and can be cancelled", async () => {
  const fleet = new FakeFleet(2, "pulse@1");
  fleet.claims.set(fleet.canary, operationId(uuidv7()));
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet);
    const waiting = await stage.until(handle, ({ waitingFor }) => waitingFor === "moves", 100);
    assert.match(waiting.reason ?? "", /cell-1 is claimed/);
    await command(handle, "cancel");
    assert.equal((await handle.result()).state, "cancelled");
    assert.deepEqual(fleet.log, []);
    assert.equal(fleet.claims.size, 1, "the other operation keeps its cell");
  });
});

test("every transition reaches the registry, in order, also when it is away for a while", async () => {
  const fleet = new FakeFleet(2, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    fleet.registryFails = 3;
    const done = await (await stage.start(queue, fleet)).result();
    assert.equal(done.state, "completed");
    assert.deepEqual(fleet.saved.at(-1), done);
    const revisions = fleet.saved.map(({ revision }) => revision);
    assert.deepEqual(
      revisions,
      revisions.toSorted((a, b) => a - b),
    );
    assert.deepEqual(done.history.map(({ event }) => event).slice(0, 2), ["planned", "began"]);
    assert.equal(done.history[0]?.reason, "a trial");
  });
});
