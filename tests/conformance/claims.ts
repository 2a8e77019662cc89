import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { CellDriver, ReleaseRef } from "../../cells/drivers/driver.ts";
import { cellId } from "../../common/ids.ts";
import { changes, ready, refused, type Open, type Stage } from "./stage.ts";
import { StandInReleases } from "./stand-in-releases.ts";

/** Whose word counts: the highest claim that came, to every instance of the driver. */
export function claims(open: Open): void {
  const cell = cellId("cell-1");
  const releases = new StandInReleases();
  let stage: Stage;
  let driver: CellDriver;
  let one: ReleaseRef;
  let two: ReleaseRef;

  before(async () => {
    stage = await open(releases);
    driver = stage.driver;
    one = releases.make("1");
    two = releases.make("2");
    await driver.provision({ id: cell, region: "eu" }, 5);
    for (const release of [one, two]) await driver.installRelease(cell, release, 5);
    await driver.migrate(cell, one, 5);
    await driver.startRelease(cell, "a", one, 5);
    await ready(driver, cell, "a");
  });
  after(() => stage.close());

  test("keeps the highest claim that came", async () => {
    assert.equal((await driver.status(cell)).claim, 5);
    await driver.installRelease(cell, two, 6);
    assert.equal((await driver.status(cell)).claim, 6);
    await driver.installRelease(cell, two, 6);
  });

  test("refuses a lower claim in every method that changes the cell, before anything is changed", async () => {
    const before = await driver.status(cell);
    for (const change of Object.values(changes(cell, two))) await refused("claim-outranked", change(driver, 5));
    await refused("claim-outranked", driver.provision({ id: cell, region: "eu" }, 5));
    await refused("claim-outranked", driver.retire(cell, 5));
    assert.deepEqual(await driver.status(cell), before);
  });

  test("lets through who bears no claim: an older caller, or a person at the machine", async () => {
    await driver.startRelease(cell, "b", two);
    await ready(driver, cell, "b");
    assert.equal((await driver.status(cell)).claim, 6);
  });

  test("a returning operation is refused by every instance once a higher claim has switched", async () => {
    await driver.switchSlot(cell, "a", "b", 9);
    for (const instance of [driver, stage.another?.() ?? driver]) {
      assert.equal((await instance.status(cell)).claim, 9);
      await refused("claim-outranked", instance.switchSlot(cell, "b", "a", 8));
      await refused("claim-outranked", instance.stopRelease(cell, "a", 8));
    }
    const { liveSlot, slots } = await driver.status(cell);
    assert.deepEqual([liveSlot, slots.a.release, slots.b.release], ["b", one.name, two.name]);
    await driver.stopRelease(cell, "a", 9);
  });

  test("forgets a cell's claim with the cell", async () => {
    await driver.retire(cell, 9);
    await driver.provision({ id: cell, region: "eu" }, 1);
    assert.equal((await driver.status(cell)).claim, 1);
    await driver.retire(cell);
  });
}
