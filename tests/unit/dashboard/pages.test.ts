import assert from "node:assert/strict";
import { test } from "node:test";
import { span } from "../../../dashboard/src/pieces/span.ts";
import {
  bindingOf,
  cellCommandFor,
  commandsFor,
  forwardSteps,
  stepsDone,
  stepTone,
} from "../../../dashboard/src/rollout/states.ts";
import { filterTenants, noFilter, wordsOf } from "../../../dashboard/src/tenants/filter.ts";
import type { Tenant } from "../../../common/contracts/control-plane.ts";
import { cellSteps } from "../../../common/contracts/rollout.ts";
import { cellId, tenantId } from "../../../common/ids.ts";
import { rollout } from "../cli/fixtures.ts";

function tenant(slug: string, changes: Partial<Tenant> = {}): Tenant {
  return {
    id: tenantId("01980c2e-7c3f-7b1e-9d3f-4d8f0f6a2b11"),
    slug,
    host: `${slug}.cellplane.localhost`,
    tier: "free",
    region: null,
    cell: cellId("cell-1"),
    epoch: 1,
    state: "active",
    reason: null,
    synthetic: false,
    limits: { requestsPerSecond: 100, inFlight: 50, bodyBytes: 1_048_576 },
    createdAt: "2026-01-01T00:00:00.000Z",
    keys: [],
    ...changes,
  };
}

test("a running rollout can be paused, halted, rolled back, cancelled", () => {
  assert.deepEqual(commandsFor(rollout()), ["pause", "halt", "roll-back", "cancel"]);
});

test("a paused one, and one that waits for a decision, can be resumed instead of paused", () => {
  assert.equal(commandsFor(rollout({ paused: true }))[0], "resume");
  assert.equal(commandsFor(rollout({ state: "waiting", waitingFor: "decision" }))[0], "resume");
});

test("a bake can be made longer or ended, and a verdict overridden where one is waited for", () => {
  const baking = commandsFor(rollout({ state: "baking" }));
  for (const command of ["extend-bake", "end-bake", "override"] as const) assert.ok(baking.includes(command), command);
  for (const waitingFor of ["decision", "window"] as const)
    assert.ok(commandsFor(rollout({ state: "waiting", waitingFor })).includes("override"), waitingFor);
  assert.ok(!commandsFor(rollout({ state: "waiting", waitingFor: "approval" })).includes("override"));
});

test("a cell that was not begun can be skipped; one of the wave at hand that failed can be tried again", () => {
  const running = rollout();
  const [cell] = running.cells;
  assert.ok(cell !== undefined);
  const at = (changes: Partial<typeof cell>) =>
    cellCommandFor(running, { ...cell, wave: running.wave ?? 1, ...changes });
  assert.equal(at({ step: "pending" }), "skip-cell");
  assert.equal(at({ step: "failed" }), "retry-cell");
  assert.equal(at({ step: "skipped" }), "retry-cell");
  assert.equal(at({ step: "failed", wave: 9 }), null);
  assert.equal(at({ step: "deployed" }), null);
  assert.equal(cellCommandFor(rollout({ state: "completed" }), { ...cell, step: "pending" }), null);
});

test("what could hit the wrong wave names wave and revision, and everything the plan", () => {
  const running = rollout();
  const { wave, revision } = running;
  assert.deepEqual(bindingOf(running, "pause"), { planHash: running.plan.hash });
  assert.deepEqual(bindingOf(running, "override"), { planHash: running.plan.hash, wave, revision });
});

test("nothing can be commanded at the end, or in the middle of a roll-back", () => {
  for (const state of ["completed", "rolled-back", "rollback-failed", "cancelled", "rolling-back"] as const) {
    assert.deepEqual(commandsFor(rollout({ state })), [], state);
  }
});

test("every step of a cell has its place: on the way forward, before it, or off it", () => {
  const places = cellSteps.map((step) => stepsDone(step));
  assert.deepEqual(places, [0, 1, 2, 3, 4, 5, 6, 7, null, null, null, 0, null]);
  assert.equal(stepsDone("deployed"), forwardSteps.length);
  assert.equal(stepTone("deployed"), "good");
  assert.equal(stepTone("failed"), "bad");
});

test("tenants are found by a part of slug or host, and by every filter at once", () => {
  const all = [tenant("wonka", { tier: "pro" }), tenant("acme"), tenant("acorn", { state: "suspended" })];
  assert.deepEqual(
    filterTenants(all, { ...noFilter, text: " AC" }).map(({ slug }) => slug),
    ["acme", "acorn"],
  );
  assert.deepEqual(
    filterTenants(all, { ...noFilter, text: "ac", state: "suspended" }).map(({ slug }) => slug),
    ["acorn"],
  );
  assert.deepEqual(filterTenants(all, { ...noFilter, cell: "cell-2" }), []);
  assert.deepEqual(wordsOf(all, "tier"), ["free", "pro"]);
});

test("spans of time are told in their two largest units", () => {
  assert.deepEqual([0, 59.6, 60, 75, 3600, 3660, 90_000].map(span), [
    "0 s",
    "1 min",
    "1 min",
    "1 min 15 s",
    "1 h",
    "1 h 1 min",
    "1 d 1 h",
  ]);
});
