import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chaosRun, deathsOf, type End } from "../../support/chaos/run.ts";
import { ChaosStage } from "../../support/chaos/stage.ts";

// `npm run chaos` does the same for longer, and with other seeds.
const seeds = [1, 2, 3, 4, 5];

const folder = mkdtempSync(join(tmpdir(), "cellplane-chaos-"));
let stage: ChaosStage;
/** How a rollout ends in which nobody dies. */
let undisturbed: End;

before(async () => {
  stage = await ChaosStage.open({ cells: 3, folder, stepMs: () => 150 });
  undisturbed = (await chaosRun(stage, "pulse@2", [])).end;
});
after(async () => {
  await stage?.close();
  rmSync(folder, { recursive: true, force: true });
});

test("a rollout in which nobody dies changes each cell once", () => {
  assert.equal(undisturbed.state, "completed");
  assert.deepEqual(
    undisturbed.effects,
    [1, 2, 3].flatMap((n) => [
      `cell-${n}: startRelease: the old → the old beside the new`,
      `cell-${n}: stopRelease: the new beside the old → the new`,
      `cell-${n}: switchSlot: the old beside the new → the new beside the old`,
    ]),
  );
  assert.deepEqual([undisturbed.claims, undisturbed.isCurrent], [0, true]);
});

/** The release that the fleet does not run. */
async function theOther(): Promise<string> {
  return (await stage.registry()).currentRelease === "pulse@2" ? "pulse@1" : "pulse@2";
}

for (const seed of seeds) {
  test(`with worker, Temporal or control plane killed at random moments it ends as without (seed ${seed})`, async (t) => {
    const deaths = deathsOf(seed);
    const { end, tookMs, struck } = await chaosRun(stage, await theOther(), deaths);
    t.diagnostic(
      `${struck} of ${deaths.length} deaths struck; it took ${(tookMs / 1_000).toFixed(1)} s: ${JSON.stringify(deaths)}`,
    );
    assert.deepEqual(end, undisturbed);
  });
}
