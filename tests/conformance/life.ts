import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { CellDriver, ReleaseRef } from "../../cells/drivers/driver.ts";
import { cellId } from "../../common/ids.ts";
import { changes, ready, refused, shape, type Open, type Stage } from "./stage.ts";
import { StandInReleases } from "./stand-in-releases.ts";

/** From the first provision to the retirement: each method, its refusals, and that it may be called again. */
export function aCellsLife(open: Open): void {
  const cell = cellId("cell-1");
  const releases = new StandInReleases();
  let one: ReleaseRef;
  let two: ReleaseRef;
  let stage: Stage;
  let driver: CellDriver;

  before(async () => {
    one = releases.make("1");
    two = releases.make("2");
    stage = await open(releases);
    driver = stage.driver;
  });
  after(() => stage.close());

  test("knows no cell that was not provisioned", async () => {
    await refused("unknown-cell", driver.status(cell));
    await refused("unknown-cell", driver.drain(cell, "b"));
    for (const change of Object.values(changes(cell, one))) await refused("unknown-cell", change(driver));
    await driver.retire(cell);
  });

  test("provisions a cell with two fixed addresses, twice with the same end", async () => {
    const first = await driver.provision({ id: cell, region: "eu" });
    assert.deepEqual(await driver.provision({ id: cell, region: "eu" }), first);
    assert.equal(new Set([...Object.values(first.a), ...Object.values(first.b)]).size, 6);
    const { liveSlot, fenced, claim, slots } = await driver.status(cell);
    assert.deepEqual([liveSlot, fenced, claim, slots.a.release, slots.b.release], ["a", false, 0, null, null]);
  });

  test("runs only what is installed, and installs only what its digest proves", async () => {
    await refused("release-missing", driver.startRelease(cell, "a", one));
    await refused("release-missing", driver.migrate(cell, one));
    const damaged = releases.make("3-damaged");
    releases.damage(damaged);
    await refused("release-corrupt", driver.installRelease(cell, damaged));
    await refused("release-missing", driver.migrate(cell, damaged));
    await refused("release-corrupt", driver.installRelease(cell, releases.passOff(two)));
  });

  test("starts a release in the first slot, ready after its migrations", async () => {
    await driver.installRelease(cell, one);
    await driver.installRelease(cell, one);
    await driver.startRelease(cell, "a", one);
    const unready = (await driver.status(cell)).slots.a;
    assert.deepEqual([unready.release, unready.ready], [one.name, false]);
    assert.notDeepEqual(unready.problems, []);
    await driver.migrate(cell, one);
    await driver.migrate(cell, one);
    await driver.startRelease(cell, "a", one);
    await ready(driver, cell, "a");
    assert.deepEqual((await driver.status(cell)).slots.a, {
      release: one.name,
      digest: one.digest,
      ready: true,
      problems: [],
    });
  });

  test("starts the next release beside the running one, never over it", async () => {
    await driver.installRelease(cell, two);
    await driver.migrate(cell, two);
    await refused("slot-taken", driver.startRelease(cell, "a", two));
    await refused("slot-empty", driver.switchSlot(cell, "a", "b"));
    await driver.startRelease(cell, "b", two);
    await driver.startRelease(cell, "b", two);
    await ready(driver, cell, "b");
    const { liveSlot, slots } = await driver.status(cell);
    assert.deepEqual([liveSlot, slots.a.ready, slots.b.ready, slots.b.release], ["a", true, true, two.name]);
  });

  test("keeps its addresses and what runs when it is provisioned again", async () => {
    const before = await driver.status(cell);
    await driver.provision({ id: cell, region: "eu" });
    await ready(driver, cell, "a");
    await ready(driver, cell, "b");
    assert.deepEqual(shape(await driver.status(cell)), shape(before));
  });

  test("switches by compare-and-set, and drains and stops only what is not live", async () => {
    await refused("slot-live", driver.drain(cell, "a"));
    await refused("slot-live", driver.stopRelease(cell, "a"));
    await driver.switchSlot(cell, "a", "b");
    await driver.switchSlot(cell, "a", "b");
    assert.equal((await driver.status(cell)).liveSlot, "b");
    await driver.drain(cell, "a");
    await driver.drain(cell, "a");
    await driver.stopRelease(cell, "a");
    await driver.stopRelease(cell, "a");
    await refused("slot-empty", driver.switchSlot(cell, "b", "a"));
    const { liveSlot, slots } = await driver.status(cell);
    assert.deepEqual([liveSlot, slots.a.release, slots.b.release], ["b", null, two.name]);
  });

  test("goes back to the release before without installing it anew", async () => {
    await driver.startRelease(cell, "a", one);
    await ready(driver, cell, "a");
    await driver.switchSlot(cell, "b", "a");
    await driver.stopRelease(cell, "b");
    await driver.startRelease(cell, "b", two);
    await ready(driver, cell, "b");
    await driver.switchSlot(cell, "a", "b");
    await driver.stopRelease(cell, "a");
    const { liveSlot, slots } = await driver.status(cell);
    assert.deepEqual([liveSlot, slots.a.release, slots.b.release], ["b", null, two.name]);
  });

  test("stops and starts a whole cell, which forgets nothing", async () => {
    await driver.stop(cell);
    await driver.stop(cell);
    const down = await driver.status(cell);
    assert.deepEqual([down.liveSlot, down.slots.b.release, down.slots.b.ready], ["b", two.name, false]);
    await refused("cell-refused", driver.switchSlot(cell, "a", "b"));
    await refused("slot-live", driver.stopRelease(cell, "b"));
    await driver.start(cell);
    await driver.start(cell);
    await ready(driver, cell, "b");
    assert.equal((await driver.status(cell)).liveSlot, "b");
  });

  test("knows in another instance what it did in this one", async () => {
    const other = stage.another?.() ?? driver;
    assert.deepEqual(shape(await other.status(cell)), shape(await driver.status(cell)));
  });

  test("fences a cell for good", async () => {
    await driver.fence(cell);
    await driver.fence(cell);
    await refused("cell-fenced", driver.start(cell));
    await refused("cell-fenced", driver.startRelease(cell, "a", one));
    await refused("cell-fenced", driver.provision({ id: cell, region: "eu" }));
    const { fenced, slots } = await driver.status(cell);
    assert.deepEqual([fenced, slots.b.ready], [true, false]);
  });

  test("retires a cell without a trace, and the same name begins a new one", async () => {
    await driver.retire(cell);
    await driver.retire(cell);
    await refused("unknown-cell", driver.status(cell));
    await driver.provision({ id: cell, region: "us" });
    const { liveSlot, fenced, slots } = await driver.status(cell);
    assert.deepEqual([liveSlot, fenced, slots.a.release, slots.b.release], ["a", false, null, null]);
    await driver.retire(cell);
  });
}
