import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WorkflowUpdateFailedError } from "@temporalio/client";
import { ApplicationFailure } from "@temporalio/common";
import type { CommandInput, Rollout } from "../../common/contracts/rollout.ts";
import { cellId } from "../../common/ids.ts";
import { FakeFleet } from "./support/fake-fleet.ts";
import { command, Stage, type Handle } from "./support/environment.ts";

let stage: Stage;
before(async () => {
  stage = await Stage.open();
});
after(async () => {
  await stage.close();
});

const baking = ({ state }: Rollout): boolean => state === "baking";

function refusedWith(code: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof WorkflowUpdateFailedError);
    assert.ok(error.cause instanceof ApplicationFailure);
    assert.equal(error.cause.type, code);
    return true;
  };
}

/** A command about the wave at hand, by who has seen the rollout so. */
async function about(
  handle: Handle,
  seen: Rollout,
  name: CommandInput["command"],
  more: Partial<CommandInput> = {},
): Promise<Rollout> {
  const { plan, wave, revision } = seen;
  return await command(handle, name, { planHash: plan.hash, wave, revision, reason: "because", ...more });
}

const tookMs = ({ createdAt, updatedAt }: Rollout): number => Date.parse(updatedAt) - Date.parse(createdAt);

test("a bake that is ended is judged at once; the same command, late, does not end the next one", async () => {
  const fleet = new FakeFleet(2, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet, { timeScale: 1, bakeSeconds: [36_000], percentages: [100] });
    const seen = await stage.until(handle, baking, 200);
    await about(handle, seen, "end-bake");
    await assert.rejects(about(handle, seen, "end-bake"), refusedWith("revision-differs"));
    const second = await stage.until(handle, (now) => now.wave === 2 && baking(now), 500);
    assert.equal(second.waves[0]?.state, "passed", "by its samples, not by the command");
    await assert.rejects(about(handle, seen, "end-bake"), refusedWith("wave-differs"));
    await assert.rejects(about(handle, { ...seen, wave: 2 }, "end-bake"), refusedWith("revision-differs"));
    await about(handle, second, "end-bake");
    const done = await handle.result();
    assert.equal(done.state, "completed");
    assert.ok(tookMs(done) < 3_600_000, `of twenty hours it took ${tookMs(done)} ms`);
    const verdicts = done.history.flatMap(({ verdict }) => verdict?.verdict ?? []);
    assert.deepEqual(verdicts, ["PASS", "PASS"]);
  });
});

test("a bake that ends too early does not pass by that: too few samples are a person's", async () => {
  const fleet = new FakeFleet(1, "pulse@1");
  fleet.loadArrives = false;
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet, { timeScale: 1 });
    const seen = await stage.until(handle, baking, 200);
    await about(handle, seen, "end-bake");
    const waiting = await stage.until(handle, ({ waitingFor }) => waitingFor === "decision", 500);
    assert.match(waiting.reason ?? "", /too few samples/);
    const passed = await about(handle, waiting, "override", { verdict: "PASS", reason: "a lab cell" });
    assert.equal(passed.state, "completed");
    const done = await handle.result();
    assert.equal(done.waves[0]?.state, "passed");
    const entry = done.history.find(({ event }) => event === "override");
    assert.match(entry?.reason ?? "", /^PASS: a lab cell; it was: too few samples/);
    assert.equal(entry?.actor, "anna");
  });
});

test("a bake is made longer, and says so", async () => {
  const fleet = new FakeFleet(1, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet);
    const seen = await stage.until(handle, baking, 200);
    const longer = await about(handle, seen, "extend-bake", { seconds: 3_600 });
    const [before = "", later = ""] = [seen, longer].map(({ waves }) => waves[0]?.bakeEndsAt ?? "");
    assert.equal(Date.parse(later) - Date.parse(before), 3_600_000);
    const done = await handle.result();
    assert.equal(done.state, "completed");
    assert.ok(tookMs(done) >= 3_600_000, `it took ${tookMs(done)} ms`);
  });
});

test("a person's FAIL rolls back and quarantines, as the judge's does", async () => {
  const fleet = new FakeFleet(3, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet, { timeScale: 1 });
    const seen = await stage.until(handle, baking, 200);
    await about(handle, seen, "override", { verdict: "FAIL", reason: "it sends wrong invoices" });
    const done = await handle.result();
    assert.equal(done.state, "rolled-back");
    assert.match(fleet.quarantined.get("pulse@2") ?? "", /anna overrode the judge: it sends wrong invoices/);
    assert.deepEqual(new Set(Object.values(fleet.live)), new Set(["pulse@1"]));
  });
});

test("a freeze is overridden by a person with a reason", async () => {
  const fleet = new FakeFleet(1, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const now = await stage.environment.currentTimeMs();
    const until = new Date(now + 400 * 3_600_000).toISOString();
    const freezes = [{ name: "launch", since: new Date(now - 1_000).toISOString(), until }];
    const handle = await stage.start(queue, fleet, { freezes });
    const waiting = await stage.until(handle, ({ waitingFor }) => waitingFor === "window", 100);
    await about(handle, waiting, "override", { verdict: "PASS", reason: "it mends the outage" });
    const done = await handle.result();
    assert.equal(done.state, "completed");
    assert.ok(tookMs(done) < 3_600_000);
  });
});

test("a cell is skipped before it is begun, and stays as it is; a wave of skipped cells alone is passed over", async () => {
  const fleet = new FakeFleet(3, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const gate = Promise.withResolvers<void>();
    fleet.holdBefore = async (step) => (step.startsWith("install cell-1") ? await gate.promise : undefined);
    const handle = await stage.start(queue, fleet);
    const seen = await stage.until(handle, ({ cells }) => cells[0]?.step === "checking", 100);
    await assert.rejects(about(handle, seen, "skip-cell", { cell: cellId("cell-1") }), refusedWith("not-that-cell"));
    const skipped = await about(handle, seen, "skip-cell", { cell: cellId("cell-2") });
    assert.equal(skipped.cells[1]?.step, "skipped");
    gate.resolve();
    const done = await handle.result();
    assert.equal(done.state, "completed");
    assert.deepEqual(Object.values(fleet.live), ["pulse@2", "pulse@1", "pulse@2"]);
    assert.equal(done.waves[1]?.state, "skipped");
    assert.match(done.cells[1]?.error ?? "", /left out by anna: because/);
  });
});

test("a cell that was left out is tried again while its wave bakes, and the wave bakes once more with it", async () => {
  const fleet = new FakeFleet(3, "pulse@1");
  fleet.unhealthy = "cell-2";
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet, { canaryCells: 3, toleratedFailures: 1, timeScale: 1 });
    const seen = await stage.until(handle, baking, 500);
    assert.equal(seen.cells[1]?.step, "skipped");
    fleet.unhealthy = null;
    const again = await about(handle, seen, "retry-cell", { cell: cellId("cell-2") });
    assert.deepEqual([again.state, again.cells[1]?.step], ["deploying", "pending"]);
    const all = await stage.until(handle, baking, 500);
    assert.deepEqual(new Set(Object.values(fleet.live)), new Set(["pulse@2"]));
    await about(handle, all, "end-bake");
    assert.equal((await handle.result()).state, "completed");
    const switches = fleet.log.filter((step) => step.startsWith("switch"));
    assert.equal(switches.length, 3, "no cell was changed twice");
  });
});

test("a stopped line lets cells settle, begins nothing, and judges on; released, the rollout goes on by itself", async () => {
  const fleet = new FakeFleet(2, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet);
    await stage.until(handle, baking, 200);
    fleet.line = { stopped: true, by: "ben", reason: "payments are down", since: new Date(0).toISOString() };
    const stopped = await command(handle, "stop-the-line", { actor: "ben", reason: "payments are down" });
    assert.deepEqual([stopped.stopped, stopped.paused, stopped.state], [true, false, "baking"]);
    await stage.until(handle, ({ waves }) => waves[0]?.state === "passed");
    await stage.environment.sleep(3_600_000);
    assert.deepEqual(Object.values(fleet.live), ["pulse@2", "pulse@1"], "nothing was begun");
    fleet.line = { ...fleet.line, stopped: false };
    await command(handle, "release-the-line", { actor: "ben", reason: "they are back" });
    assert.equal((await handle.result()).state, "completed");
  });
});

test("a line that was stopped with nobody there to tell it on stops the rollout all the same, and its release is found out", async () => {
  const fleet = new FakeFleet(2, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    fleet.line = { stopped: true, by: "ben", reason: "payments are down", since: new Date(0).toISOString() };
    const handle = await stage.start(queue, fleet);
    await stage.until(handle, ({ stopped }) => stopped === true, 100);
    await stage.environment.sleep(3_600_000);
    assert.deepEqual(fleet.log, []);
    fleet.line = { ...fleet.line, stopped: false, by: "carl", reason: "they are back" };
    const done = await handle.result();
    assert.equal(done.state, "completed");
    assert.deepEqual(
      done.history.filter(({ event }) => event.endsWith("the-line")).map(({ event, actor }) => `${event} ${actor}`),
      ["stop-the-line ben", "release-the-line carl"],
    );
  });
});

test("a bad canary is rolled back while the line is stopped, and a rollout can be cancelled", async () => {
  const fleet = new FakeFleet(2, "pulse@1");
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet);
    await stage.until(handle, baking, 200);
    fleet.line = { stopped: true, by: "ben", reason: "a look", since: new Date(0).toISOString() };
    await command(handle, "stop-the-line", { actor: "ben", reason: "a look" });
    fleet.behaviours["pulse@2"] = { failsEvery: 3 };
    assert.equal((await handle.result()).state, "rolled-back");

    const next = await stage.start(queue, fleet);
    await stage.until(next, ({ stopped }) => stopped === true, 100);
    await command(next, "cancel");
    assert.equal((await next.result()).state, "cancelled");
  });
});
