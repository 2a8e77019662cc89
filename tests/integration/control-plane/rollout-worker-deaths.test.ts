import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chaosRun, type End } from "../../support/chaos/run.ts";
import { ChaosStage } from "../../support/chaos/stage.ts";

// The activities of a cell's deployment, each caught in a cell of its own, so that one death meets them all.
const inCells = [
  "inspectCell",
  "installRelease",
  "migrateCell",
  "startRelease",
  "awaitReady",
  "smokeTest",
  "switchSlot",
  "publishLive",
  "retireSlot",
];
const cells = inCells.length + 1;
const each = (when: "before" | "after"): string[] => [
  ...inCells.map((activity, n) => `${when} ${activity} cell-${n + 2}`),
  `${when} saveRollout`,
];

/** Where the worker dies, one death after another; each when it is caught in all that is named. `after`: the work is done, and nobody has heard of it. */
const deaths: readonly (readonly string[])[] = [
  ["after takeCells"],
  // As lineState and lostCells: the registry is asked, and nothing changes.
  ["after fleetMembers"],
  ["after openWatch"],
  ["after takeLook"],
  each("before"),
  each("after"),
  ["after finishRollout"],
];

const folder = mkdtempSync(join(tmpdir(), "cellplane-deaths-"));
let stage: ChaosStage;

before(async () => {
  stage = await ChaosStage.open({ cells, folder, stepMs: () => 20 });
});
after(async () => {
  await stage?.close();
  rmSync(folder, { recursive: true, force: true });
});

test("fault 6: the worker killed in each activity of a rollout, before and after its work, ends it as it would have ended", async (t) => {
  let met = 0;
  const caught = new Set<string>();
  stage.atGate = async (activity, cell, when) => {
    const names = [`${when} ${activity}`, `${when} ${activity} ${cell}`];
    const wanted = deaths[met] ?? [];
    const here = wanted.find((name) => names.includes(name));
    if (here === undefined) return;
    caught.add(here);
    if (caught.size === wanted.length) {
      met += 1;
      caught.clear();
      await stage.victims.worker.kill();
      await stage.victims.worker.start();
    }
    // Who is caught stays so: the worker that asked is dead, or about to die.
    await Promise.withResolvers<void>().promise;
  };
  const { end, tookMs } = await chaosRun(stage, "pulse@2", []);
  t.diagnostic(`${met} deaths in ${(tookMs / 1_000).toFixed(1)} s`);
  assert.equal(met, deaths.length, "the worker died everywhere");
  assertEachOnce(end);
});

test("fault 32: the worker killed between two waves: the rollout goes on, no cell is left out or done twice", async () => {
  let waves = 0;
  // Before each wave the fleet is asked who is still there.
  stage.atGate = async (activity, _cell, when) => {
    if (activity !== "fleetMembers" || when !== "before") return;
    waves += 1;
    if (waves !== 2) return;
    await stage.victims.worker.kill();
    await stage.victims.worker.start();
  };
  const to = (await stage.registry()).currentRelease === "pulse@2" ? "pulse@1" : "pulse@2";
  const { end } = await chaosRun(stage, to, []);
  assert.ok(waves > 2, "the worker died between the waves, and the next one asked again");
  assertEachOnce(end);
});

/** Every cell was changed once, and stands as it should. */
function assertEachOnce(end: End): void {
  assert.equal(end.state, "completed");
  const ids = Array.from({ length: cells }, (_, n) => `cell-${n + 1}`);
  const changes = ids.flatMap((id) => [
    `${id}: startRelease: the old → the old beside the new`,
    `${id}: stopRelease: the new beside the old → the new`,
    `${id}: switchSlot: the old beside the new → the new beside the old`,
  ]);
  assert.deepEqual(end.effects, changes.toSorted(), "each cell was changed once");
  assert.deepEqual(
    end.standing,
    ids.map((id) => `${id}: the new`),
  );
  assert.deepEqual([end.claims, end.isCurrent], [0, true]);
}
