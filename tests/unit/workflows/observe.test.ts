import assert from "node:assert/strict";
import { test } from "node:test";
import { releaseName } from "../../../common/ids.ts";
import { observe } from "../../../workflows/activities/observe.ts";
import { workflowError } from "../../../workflows/errors.ts";
import { FakeFleet } from "../../workflow/support/fake-fleet.ts";

const pulse1 = releaseName("pulse@1");

const queue = { oldestSeconds: 0, dead: 0 };

test("a look holds every router's counters of the wave's cells and a check of each cell", async () => {
  const fleet = new FakeFleet(2, "pulse@1");
  const [first, second] = fleet.cellIds;
  assert.ok(first !== undefined && second !== undefined);
  fleet.addTraffic(second, 5);
  const seen = await observe(fleet, {
    cells: [{ cell: first, release: pulse1 }],
    load: [{ cell: first, requests: 7 }],
    overMs: 0,
  });
  assert.deepEqual(seen.sources, ["router-1"]);
  assert.deepEqual(seen.missing, []);
  assert.deepEqual(
    seen.readings.flatMap(({ counters }) =>
      counters.map(({ cell, requests, synthetic }) => ({ cell, requests, synthetic })),
    ),
    [{ cell: first, requests: 7, synthetic: true }],
    "what other cells counted is not carried along",
  );
  const compared = await observe(fleet, { cells: [], controls: [second], load: [], overMs: 0 });
  assert.deepEqual(
    compared.readings.flatMap(({ counters }) => counters.map(({ cell, requests }) => [cell, requests])),
    [[second, 5]],
    "but of those that it is compared with",
  );
  assert.deepEqual(seen.checks, [{ cell: first, answered: true, ready: true, release: pulse1, problems: [], queue }]);
});

test("a router that does not answer is missing, not an error", async () => {
  const fleet = new FakeFleet(1, "pulse@1");
  fleet.routerAnswers = false;
  const seen = await observe(fleet, { cells: [{ cell: fleet.canary, release: pulse1 }], load: [], overMs: 0 });
  assert.deepEqual([seen.sources, seen.missing, seen.readings], [[], ["router-1"], []]);
});

test("a fleet without routers cannot be observed", async () => {
  const fleet = new FakeFleet(1, "pulse@1");
  const deps = {
    parts: fleet.parts,
    synthetic: fleet.synthetic,
    registry: { ...fleet.registry, routers: async () => [] },
  };
  await assert.rejects(observe(deps, { cells: [], load: [], overMs: 0 }), /nobody to ask/);
});

test("a cell is asked at the slot that the cell itself calls live, whatever the registry says", async () => {
  const fleet = new FakeFleet(1, "pulse@1");
  await fleet.driver.startRelease(fleet.canary, "b", { name: releaseName("pulse@2"), digest: "0".repeat(64) });
  const registered = await fleet.registry.cell(fleet.canary);
  fleet.switchUnseen("cell-1", "b");
  const registry = { ...fleet.registry, cell: async () => registered };
  const { checks } = await observe(
    { registry, parts: fleet.parts, synthetic: fleet.synthetic },
    { cells: [{ cell: fleet.canary, release: releaseName("pulse@2") }], load: [], overMs: 0 },
  );
  assert.equal(checks[0]?.release, "pulse@2");
});

test("a cell that does not answer, runs another release, or fails the journey fails its check", async () => {
  const fleet = new FakeFleet(1, "pulse@1");
  const look = async (release: string, deps = fleet) =>
    (await observe(deps, { cells: [{ cell: fleet.canary, release: releaseName(release) }], load: [], overMs: 0 }))
      .checks[0];
  assert.equal((await look("pulse@2"))?.release, "pulse@1");

  fleet.synthetic.journeyAtSlot = async () => {
    throw workflowError("smoke-failed", "Slot a of cell-1 answered 500.");
  };
  assert.deepEqual(await look("pulse@1"), {
    cell: fleet.canary,
    answered: true,
    ready: false,
    release: pulse1,
    problems: ["Slot a of cell-1 answered 500."],
    queue,
  });

  await fleet.driver.stopRelease(fleet.canary, "a");
  assert.equal((await look("pulse@1"))?.answered, false);
});
