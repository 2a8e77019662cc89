import assert from "node:assert/strict";
import { test } from "node:test";
import { scene } from "./scene.ts";
import { changes, ready, refused, shape, type Open } from "./stage.ts";

/** From the first provision to the retirement: each method, its refusals, and that it may be called again. */
export function aCellsLife(open: Open): void {
  const on = scene(open);
  const { cell, releases, one, two } = on;

  test("knows no cell that was not provisioned", async () => {
    await refused("unknown-cell", on.driver.status(cell));
    await refused("unknown-cell", on.driver.drain(cell, "b"));
    for (const change of Object.values(changes(cell, one))) await refused("unknown-cell", change(on.driver));
    await on.driver.retire(cell);
  });

  test("provisions a cell with two fixed addresses, twice with the same end", async () => {
    const first = await on.driver.provision({ id: cell, region: "eu" });
    assert.deepEqual(await on.driver.provision({ id: cell, region: "eu" }), first);
    assert.equal(new Set([...Object.values(first.a), ...Object.values(first.b)]).size, 6);
    const { liveSlot, fenced, claim, slots } = await on.driver.status(cell);
    assert.deepEqual([liveSlot, fenced, claim, slots.a.release, slots.b.release], ["a", false, 0, null, null]);
  });

  test("runs only what is installed, and installs only what its digest proves", async () => {
    await refused("release-missing", on.driver.startRelease(cell, "a", one));
    await refused("release-missing", on.driver.migrate(cell, one));
    const damaged = releases.make("3-damaged");
    releases.damage(damaged);
    await refused("release-corrupt", on.driver.installRelease(cell, damaged));
    await refused("release-missing", on.driver.migrate(cell, damaged));
    await refused("release-corrupt", on.driver.installRelease(cell, releases.passOff(two)));
  });

  test("starts a release in the first slot, ready after its migrations", async () => {
    await on.driver.installRelease(cell, one);
    await on.driver.installRelease(cell, one);
    await on.driver.startRelease(cell, "a", one);
    const unready = (await on.driver.status(cell)).slots.a;
    assert.deepEqual([unready.release, unready.ready], [one.name, false]);
    assert.notDeepEqual(unready.problems, []);
    await on.driver.migrate(cell, one);
    await on.driver.migrate(cell, one);
    await on.driver.startRelease(cell, "a", one);
    await ready(on.driver, cell, "a");
    assert.deepEqual((await on.driver.status(cell)).slots.a, {
      release: one.name,
      digest: one.digest,
      ready: true,
      problems: [],
    });
  });

  test("starts the next release beside the running one, never over it", async () => {
    await on.driver.installRelease(cell, two);
    await on.driver.migrate(cell, two);
    await refused("slot-taken", on.driver.startRelease(cell, "a", two));
    await refused("slot-empty", on.driver.switchSlot(cell, "a", "b"));
    await on.driver.startRelease(cell, "b", two);
    await on.driver.startRelease(cell, "b", two);
    await ready(on.driver, cell, "b");
    const { liveSlot, slots } = await on.driver.status(cell);
    assert.deepEqual([liveSlot, slots.a.ready, slots.b.ready, slots.b.release], ["a", true, true, two.name]);
  });

  test("keeps its addresses and what runs when it is provisioned again", async () => {
    const before = await on.driver.status(cell);
    await on.driver.provision({ id: cell, region: "eu" });
    await ready(on.driver, cell, "a");
    await ready(on.driver, cell, "b");
    assert.deepEqual(shape(await on.driver.status(cell)), shape(before));
  });

  test("switches by compare-and-set, and drains and stops only what is not live", async () => {
    await refused("slot-live", on.driver.drain(cell, "a"));
    await refused("slot-live", on.driver.stopRelease(cell, "a"));
    await on.driver.switchSlot(cell, "a", "b");
    await on.driver.switchSlot(cell, "a", "b");
    assert.equal((await on.driver.status(cell)).liveSlot, "b");
    await on.driver.drain(cell, "a");
    await on.driver.drain(cell, "a");
    await on.driver.stopRelease(cell, "a");
    await on.driver.stopRelease(cell, "a");
    await refused("slot-empty", on.driver.switchSlot(cell, "b", "a"));
    const { liveSlot, slots } = await on.driver.status(cell);
    assert.deepEqual([liveSlot, slots.a.release, slots.b.release], ["b", null, two.name]);
  });

  test("goes back to the release before without installing it anew", async () => {
    await on.driver.startRelease(cell, "a", one);
    await ready(on.driver, cell, "a");
    await on.driver.switchSlot(cell, "b", "a");
    await on.driver.stopRelease(cell, "b");
    await on.driver.startRelease(cell, "b", two);
    await ready(on.driver, cell, "b");
    await on.driver.switchSlot(cell, "a", "b");
    await on.driver.stopRelease(cell, "a");
    const { liveSlot, slots } = await on.driver.status(cell);
    assert.deepEqual([liveSlot, slots.a.release, slots.b.release], ["b", null, two.name]);
  });

  test("stops and starts a whole cell, which forgets nothing", async () => {
    await on.driver.stop(cell);
    await on.driver.stop(cell);
    const down = await on.driver.status(cell);
    assert.deepEqual([down.liveSlot, down.slots.b.release, down.slots.b.ready], ["b", two.name, false]);
    await refused("cell-refused", on.driver.switchSlot(cell, "a", "b"));
    await refused("slot-live", on.driver.stopRelease(cell, "b"));
    await on.driver.start(cell);
    await on.driver.start(cell);
    await ready(on.driver, cell, "b");
    assert.equal((await on.driver.status(cell)).liveSlot, "b");
  });

  test("knows in another instance what it did in this one", async () => {
    const other = on.stage.another?.() ?? on.driver;
    assert.deepEqual(shape(await other.status(cell)), shape(await on.driver.status(cell)));
  });

  test("fences a cell for good", async () => {
    await on.driver.fence(cell);
    await on.driver.fence(cell);
    await refused("cell-fenced", on.driver.start(cell));
    await refused("cell-fenced", on.driver.startRelease(cell, "a", one));
    await refused("cell-fenced", on.driver.provision({ id: cell, region: "eu" }));
    const { fenced, slots } = await on.driver.status(cell);
    assert.deepEqual([fenced, slots.b.ready], [true, false]);
  });

  test("retires a cell without a trace, and the same name begins a new one", async () => {
    await on.driver.retire(cell);
    await on.driver.retire(cell);
    await refused("unknown-cell", on.driver.status(cell));
    await on.driver.provision({ id: cell, region: "us" });
    const { liveSlot, fenced, slots } = await on.driver.status(cell);
    assert.deepEqual([liveSlot, fenced, slots.a.release, slots.b.release], ["a", false, null, null]);
    await on.driver.retire(cell);
  });
}
