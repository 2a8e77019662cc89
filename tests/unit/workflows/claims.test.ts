import assert from "node:assert/strict";
import { test } from "node:test";
import { cellId, operationId, releaseName } from "../../../common/ids.ts";
import { cellActivities } from "../../../workflows/activities/cell.ts";
import type { Synthetic } from "../../../workflows/activities/synthetic.ts";
import { digest, FakeFleet } from "../../workflow/support/fake-fleet.ts";

const cell = cellId("cell-1");
const operation = operationId("00000000-0000-7000-8000-000000000001");
const release = { name: releaseName("pulse@2"), digest };

function stage() {
  const fleet = new FakeFleet(1, "pulse@1");
  const tokens: (number | undefined)[] = [];
  const { driver } = fleet;
  const listening = {
    ...driver,
    installRelease: (...args: Parameters<typeof driver.installRelease>) => {
      tokens.push(args[2]);
      return driver.installRelease(...args);
    },
    switchSlot: (...args: Parameters<typeof driver.switchSlot>) => {
      tokens.push(args[3]);
      return driver.switchSlot(...args);
    },
  };
  const steps = cellActivities({
    driver: listening,
    registry: fleet.registry,
    synthetic: {} as Synthetic,
    readyWithinMs: 1_000,
  });
  return { fleet, steps, tokens };
}

test("each change of a cell bears the token of the operation's claim", async () => {
  const { fleet, steps, tokens } = stage();
  await fleet.registry.takeClaims(operation, [cell], new Map());
  await steps.installRelease({ cell, release, operation });
  await steps.switchSlot({ cell, from: "a", to: "b", operation });
  assert.deepEqual(tokens, [1, 1]);
});

test("an operation that was closed meanwhile changes nothing more", async () => {
  const { fleet, steps } = stage();
  await fleet.registry.takeClaims(operation, [cell], new Map());
  await fleet.registry.dropClaims(operation);
  const lost = { code: "claim-lost" };
  await assert.rejects(steps.installRelease({ cell, release, operation }), lost);
  await assert.rejects(steps.migrateCell({ cell, release, operation }), lost);
  await assert.rejects(steps.startRelease({ cell, slot: "b", release, operation }), lost);
  await assert.rejects(steps.switchSlot({ cell, from: "a", to: "b", operation }), lost);
  await assert.rejects(steps.retireSlot({ cell, slot: "b", drain: true, operation }), lost);
  assert.deepEqual(fleet.log, []);
});

test("a step of a history from before there were claims acts under none", async () => {
  const { steps, tokens } = stage();
  await steps.installRelease({ cell, release });
  assert.deepEqual(tokens, [undefined]);
});
