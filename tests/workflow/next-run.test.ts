import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Rollout } from "../../common/contracts/rollout.ts";
import { FakeFleet } from "./support/fake-fleet.ts";
import { command, Stage, type Handle } from "./support/environment.ts";

// A rollout whose history becomes long goes on in another run of its workflow. Here a history is long after some dozen events, so that this happens
// in every bake, every wait and between the batches of a wave.
const longHistory = 60;

let stage: Stage;
before(async () => {
  stage = await Stage.open();
});
after(async () => {
  await stage.close();
});

const baking = ({ state }: Rollout): boolean => state === "baking";

async function goneOn(handle: Handle): Promise<void> {
  const { runId } = await handle.describe();
  assert.notEqual(runId, handle.firstExecutionRunId, "it was one run to its end");
}

/** A rollout's course: what was done to the cells, how it ended, and what its history tells. */
async function course(fleet: FakeFleet, more: { readonly longHistory?: number }, wishes = {}) {
  return await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet, wishes, "pulse@2", more);
    const done = await handle.result();
    if (more.longHistory !== undefined) await goneOn(handle);
    const { state, waves, cells, history } = done;
    return {
      state,
      waves: waves.map((wave) => wave.state),
      cells: cells.map(({ cell, step }) => `${cell} ${step}`),
      events: history.map(({ event, wave, standing }) => `${event} ${wave} ${standing?.state}`),
      log: fleet.log,
      looks: fleet.looks,
    };
  });
}

test("a long rollout goes on in other runs and ends as in one: no cell skipped, none changed twice, no bake begun anew", async () => {
  const wishes = { cellsAtOnce: 1, timeScale: 1 / 60 };
  const whole = await course(new FakeFleet(5, "pulse@1"), {}, wishes);
  const parts = await course(new FakeFleet(5, "pulse@1"), { longHistory }, wishes);
  assert.equal(whole.state, "completed");
  assert.deepEqual(parts, whole);
  assert.equal(parts.looks.filter(({ purpose }) => purpose === "bake").length, parts.waves.length);
});

test("so does one that fails in a later wave, with the waves before judged again", async () => {
  const fleetOf = (): FakeFleet => Object.assign(new FakeFleet(3, "pulse@1"), { badAt: "cell-2" });
  const wishes = { decisionSeconds: 36_000 };
  const whole = await course(fleetOf(), {}, wishes);
  const parts = await course(fleetOf(), { longHistory }, wishes);
  assert.equal(whole.state, "rolled-back");
  assert.deepEqual(
    [parts.state, parts.waves, parts.cells, parts.log],
    [whole.state, whole.waves, whole.cells, whole.log],
  );
});

test("no command is lost or obeyed twice, whenever it comes", async () => {
  const fleet = new FakeFleet(2, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet, { timeScale: 1 }, "pulse@2", { longHistory: 30 });
    await stage.until(handle, baking, 200);
    const given: string[] = [];
    for (let n = 0; n < 30; n += 1) {
      for (const name of ["pause", "resume"] as const) {
        const { revision } = await command(handle, name, { reason: `no. ${n}` });
        assert.ok(revision > 0);
        given.push(`${name} no. ${n}`);
      }
      if (n % 3 === 0) await stage.environment.sleep(60_000);
    }
    await goneOn(handle);
    const seen = await stage.until(handle, () => true);
    const told = seen.history.filter(({ actor }) => actor === "anna").map(({ event, reason }) => `${event} ${reason}`);
    assert.deepEqual(told, given);
    await command(handle, "cancel");
    assert.equal((await handle.result()).state, "cancelled");
    assert.deepEqual(fleet.saved.at(-1)?.history.length, (await handle.result()).history.length);
  });
});

test("a bake that was made longer, an approval and a cell that was left out are known in the next run, too", async () => {
  const fleet = new FakeFleet(3, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const approvals = { required: 2, of: [], waves: [2], expiresSeconds: 36_000 };
    const handle = await stage.start(queue, fleet, { approvals }, "pulse@2", { longHistory });
    const seen = await stage.until(handle, baking, 200);
    const bound = { planHash: seen.plan.hash, wave: seen.wave, revision: seen.revision, reason: "because" };
    const longer = await command(handle, "extend-bake", { ...bound, seconds: 1_800 });
    const { cell } = seen.cells[2] ?? assert.fail("there is no third cell");
    await command(handle, "skip-cell", { ...bound, revision: longer.revision, cell });
    const asked = await stage.until(handle, ({ waitingFor }) => waitingFor === "approval", 60_000);
    assert.ok(Date.parse(asked.updatedAt) - Date.parse(asked.createdAt) >= 1_800_000);
    await command(handle, "approve", { planHash: asked.plan.hash, actor: "anna" });
    await stage.environment.sleep(3_600_000);
    await assert.rejects(command(handle, "approve", { planHash: asked.plan.hash, actor: "anna" }));
    await command(handle, "approve", { planHash: asked.plan.hash, actor: "ben" });
    const done = await handle.result();
    await goneOn(handle);
    assert.equal(done.state, "completed");
    assert.deepEqual(Object.values(fleet.live), ["pulse@2", "pulse@2", "pulse@1"]);
  });
});
