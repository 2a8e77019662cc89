import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WorkflowUpdateFailedError } from "@temporalio/client";
import { ApplicationFailure } from "@temporalio/common";
import { FakeFleet } from "./support/fake-fleet.ts";
import { command, Stage } from "./support/environment.ts";

let stage: Stage;
before(async () => {
  stage = await Stage.open();
});
after(async () => {
  await stage.close();
});

const hourMs = 3_600_000;
const approvals = { required: 2, of: ["anna", "ben", "carl"], waves: [1], expiresSeconds: 3_600 };

function refusedWith(code: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof WorkflowUpdateFailedError);
    assert.ok(error.cause instanceof ApplicationFailure);
    assert.equal(error.cause.type, code);
    return true;
  };
}

test("nothing is begun before enough people have approved this very plan, and never the requester", async () => {
  const fleet = new FakeFleet(2, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet, { approvals });
    const asked = await stage.until(handle, ({ waitingFor }) => waitingFor === "approval", 100);
    const planHash = asked.plan.hash;
    assert.deepEqual(fleet.log, []);
    await assert.rejects(command(handle, "approve", { actor: "tests", planHash }), refusedWith("not-yours-to-approve"));
    await assert.rejects(command(handle, "approve", { actor: "dora", planHash }), refusedWith("not-yours-to-approve"));
    await assert.rejects(command(handle, "approve", { actor: "anna" }), refusedWith("plan-differs"));
    await assert.rejects(
      command(handle, "approve", { actor: "anna", planHash: "f".repeat(64) }),
      refusedWith("plan-differs"),
    );
    await command(handle, "approve", { actor: "anna", planHash });
    await assert.rejects(command(handle, "approve", { actor: "anna", planHash }), refusedWith("not-in-this-state"));
    await command(handle, "approve", { actor: "ben", planHash });
    const done = await handle.result();
    assert.equal(done.state, "completed");
    assert.deepEqual(
      done.history.filter(({ event }) => event === "approve").map(({ actor }) => actor),
      ["anna", "ben"],
    );
  });
});

test("an approval that does not come in time is a rejection: a rollout that has touched nothing is cancelled", async () => {
  const fleet = new FakeFleet(2, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const done = await (await stage.start(queue, fleet, { approvals })).result();
    assert.equal(done.state, "cancelled");
    assert.match(done.reason ?? "", /not approved in time: 0 of 2/);
    assert.deepEqual(fleet.log, []);
    assert.equal(fleet.claims.size, 0);
  });
});

test("a second wave that is rejected leaves everything in place", async () => {
  const fleet = new FakeFleet(2, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet, { approvals: { ...approvals, waves: [2] } });
    const asked = await stage.until(handle, ({ waitingFor }) => waitingFor === "approval");
    assert.equal(asked.wave, 2);
    const halted = await command(handle, "reject", { actor: "carl", planHash: asked.plan.hash, reason: "not now" });
    assert.equal(halted.state, "halted");
    assert.deepEqual(Object.values(fleet.live), ["pulse@2", "pulse@1"]);
    await command(handle, "cancel");
    assert.equal((await handle.result()).state, "cancelled");
  });
});

test("while approval is waited for, a canary that turns bad is rolled back", async () => {
  const fleet = new FakeFleet(2, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet, {
      approvals: { ...approvals, waves: [2], expiresSeconds: 86_400 },
    });
    await stage.until(handle, ({ waitingFor }) => waitingFor === "approval");
    fleet.behaviours["pulse@2"] = { failsEvery: 2 };
    const timer = setInterval(() => fleet.addTraffic(fleet.canary, 200), 20);
    const done = await handle.result().finally(() => clearInterval(timer));
    assert.equal(done.state, "rolled-back");
    assert.match(done.reason ?? "", /real traffic: .* requests failed/);
  });
});

test("within a freeze nothing is begun; when it ends the rollout goes on by itself", async () => {
  const fleet = new FakeFleet(1, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const now = await stage.environment.currentTimeMs();
    const until = new Date(now + 2 * hourMs).toISOString();
    const freezes = [{ name: "launch", since: new Date(now - hourMs).toISOString(), until }];
    const handle = await stage.start(queue, fleet, { freezes });
    const waiting = await stage.until(handle, ({ waitingFor }) => waitingFor === "window", 100);
    assert.match(waiting.reason ?? "", new RegExp(`no cell may be changed before ${until}`));
    assert.deepEqual(fleet.log, []);
    const done = await handle.result();
    assert.equal(done.state, "completed");
    assert.ok(Date.parse(done.updatedAt) >= now + 2 * hourMs);
  });
});

test("each cell is changed within its own windows; the others do not wait for it", async () => {
  const fleet = new FakeFleet(3, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const now = await stage.environment.currentTimeMs();
    const later = {
      name: "later",
      since: new Date(now + 3 * hourMs).toISOString(),
      until: new Date(now + 4 * hourMs).toISOString(),
    };
    fleet.maintenance["cell-2"] = [later];
    const handle = await stage.start(queue, fleet, { canaryCells: 3 });
    await stage.until(handle, ({ waitingFor }) => waitingFor === "window", 500);
    assert.deepEqual(Object.values(fleet.live), ["pulse@2", "pulse@1", "pulse@2"]);
    const done = await handle.result();
    assert.equal(done.state, "completed");
    assert.ok(Date.parse(done.updatedAt) >= now + 3 * hourMs);
  });
});

test("no more customers are exposed within an hour than the blast radius allows", async () => {
  const fleet = new FakeFleet(3, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    // Two customers a cell: two cells an hour.
    const done = await (
      await stage.start(queue, fleet, { blastRadius: { tenants: 4 }, timeScale: 1, bakeSeconds: [60] })
    ).result();
    assert.equal(done.state, "completed");
    const took = Date.parse(done.updatedAt) - Date.parse(done.createdAt);
    assert.ok(took >= hourMs, `${took} ms`);
    assert.ok(done.history.some(({ event, reason }) => event === "waits" && /blast radius/.test(reason ?? "")));
  });
});

test("a tolerated failure that is not the release's leaves its cell as it was, and the wave goes on", async () => {
  const fleet = new FakeFleet(3, "pulse@1");
  fleet.unhealthy = "cell-2";
  await stage.withWorker(fleet, async (queue) => {
    const done = await (await stage.start(queue, fleet, { canaryCells: 3, toleratedFailures: 1 })).result();
    assert.equal(done.state, "completed");
    assert.deepEqual(Object.values(fleet.live), ["pulse@2", "pulse@1", "pulse@2"]);
    const skipped = done.cells.find(({ step }) => step === "skipped");
    assert.equal(skipped?.cell, "cell-2");
    assert.match(skipped?.error ?? "", /not healthy before the deployment/);
  });
});
