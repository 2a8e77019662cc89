import assert from "node:assert/strict";
import { test } from "node:test";
import { DryRunDriver } from "../../../cells/drivers/dry-run/driver.ts";
import { cellId } from "../../../common/ids.ts";
import { conformance } from "../../conformance/cell-driver.ts";
import { StandInReleases } from "../../conformance/stand-in-releases.ts";

conformance("dry-run", async (releases) => ({ driver: new DryRunDriver(releases), close: async () => undefined }), {
  serves: false,
  drainMs: 0,
});

test("the dry-run driver records what would be done, in order", async () => {
  const releases = new StandInReleases();
  const driver = new DryRunDriver(releases);
  const cell = cellId("cell-1");
  const release = releases.make("1");
  await driver.provision({ id: cell, region: "eu" });
  await driver.installRelease(cell, release);
  await driver.startRelease(cell, "a", release);
  assert.deepEqual(driver.calls, [
    { method: "provision", args: [{ id: cell, region: "eu" }] },
    { method: "installRelease", args: [cell, release] },
    { method: "startRelease", args: [cell, "a", release] },
  ]);
});
