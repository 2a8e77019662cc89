import assert from "node:assert/strict";
import { test } from "node:test";
import { scene } from "./scene.ts";
import { changes, ready, refused, type Open } from "./stage.ts";

/** Whose word counts: the highest claim that came, to every instance of the driver. */
export function claims(open: Open): void {
  const on = scene(open, async ({ driver, cell, one, two }) => {
    await driver.provision({ id: cell, region: "eu" }, 5);
    for (const release of [one, two]) await driver.installRelease(cell, release, 5);
    await driver.migrate(cell, one, 5);
    await driver.startRelease(cell, "a", one, 5);
    await ready(driver, cell, "a");
  });
  const { cell, one, two } = on;

  test("keeps the highest claim that came", async () => {
    assert.equal((await on.driver.status(cell)).claim, 5);
    await on.driver.installRelease(cell, two, 6);
    assert.equal((await on.driver.status(cell)).claim, 6);
    await on.driver.installRelease(cell, two, 6);
  });

  test("refuses a lower claim in every method that changes the cell, before anything is changed", async () => {
    const before = await on.driver.status(cell);
    for (const change of Object.values(changes(cell, two))) await refused("claim-outranked", change(on.driver, 5));
    await refused("claim-outranked", on.driver.provision({ id: cell, region: "eu" }, 5));
    await refused("claim-outranked", on.driver.retire(cell, 5));
    assert.deepEqual(await on.driver.status(cell), before);
  });

  test("lets through who bears no claim: an older caller, or a person at the machine", async () => {
    await on.driver.startRelease(cell, "b", two);
    await ready(on.driver, cell, "b");
    assert.equal((await on.driver.status(cell)).claim, 6);
  });

  test("a returning operation is refused by every instance once a higher claim has switched", async () => {
    await on.driver.switchSlot(cell, "a", "b", 9);
    for (const instance of [on.driver, on.stage.another?.() ?? on.driver]) {
      assert.equal((await instance.status(cell)).claim, 9);
      await refused("claim-outranked", instance.switchSlot(cell, "b", "a", 8));
      await refused("claim-outranked", instance.stopRelease(cell, "a", 8));
    }
    const { liveSlot, slots } = await on.driver.status(cell);
    assert.deepEqual([liveSlot, slots.a.release, slots.b.release], ["b", one.name, two.name]);
    await on.driver.stopRelease(cell, "a", 9);
  });

  test("forgets a cell's claim with the cell", async () => {
    await on.driver.retire(cell, 9);
    await on.driver.provision({ id: cell, region: "eu" }, 1);
    assert.equal((await on.driver.status(cell)).claim, 1);
    await on.driver.retire(cell);
  });
}
