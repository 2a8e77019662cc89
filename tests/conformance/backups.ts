import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { scene } from "./scene.ts";
import { ready, refused, type Open } from "./stage.ts";

/** What a cell's backups are good for: the state of any moment comes back, in another life, and what runs goes on. */
export function backups(open: Open): void {
  const on = scene(open, async ({ driver, cell, one }) => {
    await driver.provision({ id: cell, region: "eu" });
    await driver.installRelease(cell, one);
    await driver.migrate(cell, one);
    await driver.startRelease(cell, "a", one);
    await ready(driver, cell, "a");
  });
  const { cell, one } = on;
  const write = async (text: string): Promise<void> => on.stage.data?.write(cell, text);
  /** What must be there is there, where the driver's cells keep anything. */
  const holds = async (texts: readonly string[]): Promise<void> => {
    if (on.stage.data !== undefined) assert.deepEqual(await on.stage.data.read(cell), texts);
  };

  test("restores nothing from no backup, and the cell runs on", async () => {
    await write("first");
    await refused("no-backup", on.driver.restore(cell, null));
    await ready(on.driver, cell, "a");
    await holds(["first"]);
  });

  test("backs a cell up while it serves, each time anew", async () => {
    const [one, two] = [await on.driver.backup(cell), await on.driver.backup(cell)];
    assert.notEqual(one.id, two.id);
    assert.ok(two.from.getTime() <= Date.now() && two.from >= one.from, "it restores from its own end on");
    assert.equal((await on.driver.status(cell)).slots.a.ready, true);
    await refused("no-backup", on.driver.restore(cell, new Date(one.from.getTime() - 3_600_000)));
    await ready(on.driver, cell, "a");
  });

  test("restores the state of a moment, with the release still in its slot", async () => {
    await write("second");
    const moment = new Date();
    await sleep(50);
    await write("third");
    await holds(["first", "second", "third"]);
    const restored = await on.driver.restore(cell, moment);
    assert.ok(Date.parse(restored.through) <= moment.getTime(), `it was restored through ${restored.through}`);
    await ready(on.driver, cell, "a");
    await holds(["first", "second"]);
    const { liveSlot, slots } = await on.driver.status(cell);
    assert.deepEqual([liveSlot, slots.a.release, slots.b.release], ["a", one.name, null]);
  });

  test("restores the newest state, written since the last restore too, each time in another life", async () => {
    await on.driver.backup(cell);
    await write("fourth");
    const lives = [await on.driver.restore(cell, null), await on.driver.restore(cell, null)];
    assert.equal(new Set(lives.map(({ incarnation }) => incarnation)).size, 2);
    await ready(on.driver, cell, "a");
    await holds(["first", "second", "fourth"]);
  });

  test("a fenced cell is neither backed up nor restored", async () => {
    await on.driver.fence(cell);
    await refused("cell-fenced", on.driver.restore(cell, null));
    await refused("backup-failed", on.driver.backup(cell));
    await on.driver.retire(cell);
  });
}
