import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Rollout } from "../../common/contracts/rollout.ts";
import type { RolloutPolicy } from "../../common/contracts/rollout-policy.ts";
import { FakeFleet } from "./support/fake-fleet.ts";
import { command, Stage, type Handle } from "./support/environment.ts";

// A rollout whose history becomes long goes on in another run of its workflow. Here a history is long after some dozen events, so that this happens
// in every wave. On Temporal itself: its test server, which skips time, skips none in a workflow's second run.
const longHistory = 40;
const quick: Partial<RolloutPolicy> = { timeScale: 1, bakeSeconds: [1], minimumSamples: 10 };

let stage: Stage;
before(async () => {
  stage = await Stage.openReal();
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
async function course(fleet: FakeFleet, more: { readonly longHistory?: number }, wishes: Partial<RolloutPolicy>) {
  return await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet, { ...quick, ...wishes }, "pulse@2", more);
    const done = await handle.result();
    if (more.longHistory !== undefined) await goneOn(handle);
    const { state, waves, cells, history } = done;
    return {
      state,
      waves: waves.map((wave) => wave.state),
      cells: cells.map(({ cell, step }) => `${cell} ${step}`),
      events: history.map(({ event, wave, standing }) => `${event} ${wave} ${standing?.state}`),
      log: fleet.log,
      watches: fleet.looks.map(({ purpose, wave }) => `${purpose} ${wave}`),
    };
  });
}

test("a long rollout goes on in other runs and ends as in one: no cell skipped, none changed twice, no bake begun anew", async () => {
  const wishes = { cellsAtOnce: 1 };
  const [whole, parts] = await Promise.all([
    course(new FakeFleet(5, "pulse@1"), {}, wishes),
    course(new FakeFleet(5, "pulse@1"), { longHistory }, wishes),
  ]);
  assert.equal(whole.state, "completed");
  assert.deepEqual(parts, whole);
});

test("so does one that fails in a later wave, with the waves before judged again", async () => {
  const fleetOf = (): FakeFleet => Object.assign(new FakeFleet(3, "pulse@1"), { badAt: "cell-2" });
  const wishes = { decisionSeconds: 2 };
  const [whole, parts] = await Promise.all([course(fleetOf(), {}, wishes), course(fleetOf(), { longHistory }, wishes)]);
  assert.equal(whole.state, "rolled-back");
  assert.deepEqual(parts, whole);
});

test("no command is lost or obeyed twice, whenever it comes", async () => {
  const fleet = new FakeFleet(2, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet, { ...quick, bakeSeconds: [600] }, "pulse@2", { longHistory });
    await stage.until(handle, baking, 50);
    const given: string[] = [];
    for (let n = 0; n < 40; n += 1) {
      for (const name of ["pause", "resume"] as const) {
        await command(handle, name, { reason: `no. ${n}` });
        given.push(`${name} no. ${n}`);
      }
    }
    await goneOn(handle);
    const seen = await stage.until(handle, () => true);
    const told = seen.history.filter(({ actor }) => actor === "anna").map(({ event, reason }) => `${event} ${reason}`);
    assert.deepEqual(told, given);
    await command(handle, "cancel");
    const done = await handle.result();
    assert.equal(done.state, "cancelled");
    assert.deepEqual(fleet.last, done, "the registry has the last word");
  });
});

test("a bake that was made longer, an approval and a cell that was left out are known in the next run, too", async () => {
  const fleet = new FakeFleet(3, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const approvals = { required: 2, of: [], waves: [2], expiresSeconds: 36_000 };
    const handle = await stage.start(queue, fleet, { ...quick, approvals }, "pulse@2", { longHistory });
    const seen = await stage.until(handle, baking, 50);
    const bound = { planHash: seen.plan.hash, wave: seen.wave, revision: seen.revision, reason: "because" };
    const longer = await command(handle, "extend-bake", { ...bound, seconds: 12 });
    const { cell } = seen.cells[2] ?? assert.fail("there is no third cell");
    await command(handle, "skip-cell", { ...bound, revision: longer.revision, cell });
    const asked = await stage.until(handle, ({ waitingFor }) => waitingFor === "approval", 200);
    assert.ok(Date.parse(asked.updatedAt) - Date.parse(seen.updatedAt) >= 12_000);
    await goneOn(handle);
    const planHash = asked.plan.hash;
    await command(handle, "approve", { planHash, actor: "anna" });
    const { runId } = await handle.describe();
    // Each is a change of state, and a history is soon long enough.
    for (let n = 0; n < 20; n += 1) {
      await command(handle, "pause");
      await command(handle, "resume");
    }
    assert.equal((await stage.until(handle, () => true)).state, "waiting");
    assert.notEqual(runId, "");
    await assert.rejects(command(handle, "approve", { planHash, actor: "anna" }), /has approved already|failed/);
    await command(handle, "approve", { planHash, actor: "ben" });
    const done = await handle.result();
    assert.equal(done.state, "completed");
    assert.deepEqual(Object.values(fleet.live), ["pulse@2", "pulse@2", "pulse@1"]);
  });
});
