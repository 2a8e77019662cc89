import assert from "node:assert/strict";
import { test } from "node:test";
import { cellId, operationId, releaseName } from "../../../common/ids.ts";
import { cellActivities } from "../../../workflows/activities/cell.ts";
import { digest, FakeFleet } from "../../workflow/support/fake-fleet.ts";

const cell = cellId("cell-1");
const release = { name: releaseName("pulse@2"), digest };

function stage() {
  const fleet = new FakeFleet(1, "pulse@1");
  const allowed: unknown[] = [];
  const driver = {
    ...fleet.driver,
    migrate: async (...args: Parameters<typeof fleet.driver.migrate>) => void allowed.push(args[3]),
  };
  const { registry, synthetic } = fleet;
  return { fleet, allowed, steps: cellActivities({ driver, registry, synthetic, readyWithinMs: 60_000 }) };
}

test("a release that is ready and says that it is another one is at fault at once, not after the time to get ready", async () => {
  const { steps } = stage();
  await assert.rejects(steps.awaitReady({ cell, slot: "a", release }), {
    code: "release-not-ready",
    message: "Slot a of cell-1 was given pulse@2 and says that it is pulse@1.",
  });
});

test("a quarantined release is not tried: what it fails shows nothing", async () => {
  const { fleet, steps } = stage();
  fleet.behaviours["pulse@1"] = { journeyFails: "always" };
  fleet.quarantined.set("pulse@1", "it was bad");
  await steps.smokeTest({ cell, slot: "a", release: releaseName("pulse@1") });
});

test("migrations run of the classes that the plan named, and of no other", async () => {
  const { fleet, steps, allowed } = stage();
  const operation = operationId("00000000-0000-7000-8000-000000000001");
  await fleet.registry.takeClaims(operation, [cell], new Map());
  await steps.migrateCell({ cell, release, operation });
  await steps.migrateCell({ cell, release, operation, migrations: ["contract"] });
  assert.deepEqual(allowed, [undefined, ["contract"]]);
});
