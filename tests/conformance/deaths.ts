import assert from "node:assert/strict";
import { test } from "node:test";
import type { CellDriver } from "../../cells/drivers/driver.ts";
import { scene } from "./scene.ts";
import { Crash, ready, refused, type Open } from "./stage.ts";

/** More words than any method says; a method that never comes through fails the test here. */
const mostWords = 200;

/** A driver whose process dies at any word ends, called again, as if it had not. */
export function deaths(open: Open): void {
  const on = scene(open);
  const { cell, one, two } = on;

  /**
   * Lets the method die at its first word, then at its second, and so on, each time over what the deaths before left, until it comes through; then calls
   * it once more, whole.
   */
  async function through(method: (driver: CellDriver) => Promise<unknown>): Promise<void> {
    let died = 0;
    for (; on.stage.dyingAt !== undefined; died++) {
      assert.ok(died < mostWords, "it comes through in the end");
      try {
        await method(on.stage.dyingAt(died));
        break;
      } catch (error) {
        assert.ok(isCrash(error), `died of something else: ${String(error)}`);
      }
    }
    assert.ok(on.stage.dyingAt === undefined || died > 0, "it says at least one word");
    await method(on.driver);
  }

  test("provisions", async () => {
    await through((each) => each.provision({ id: cell, region: "eu" }));
    const { liveSlot, slots } = await on.driver.status(cell);
    assert.deepEqual([liveSlot, slots.a.release, slots.b.release], ["a", null, null]);
  });

  test("installs, migrates and starts", async () => {
    for (const release of [one, two]) await through((each) => each.installRelease(cell, release));
    await through((each) => each.migrate(cell, one));
    await through((each) => each.startRelease(cell, "a", one));
    await ready(on.driver, cell, "a");
    await through((each) => each.startRelease(cell, "b", two));
    await ready(on.driver, cell, "b");
    const { liveSlot, slots } = await on.driver.status(cell);
    assert.deepEqual([liveSlot, slots.a.release, slots.b.release], ["a", one.name, two.name]);
  });

  test("switches, drains and stops the old one", async () => {
    await through((each) => each.switchSlot(cell, "a", "b"));
    assert.equal((await on.driver.status(cell)).liveSlot, "b");
    await through((each) => each.drain(cell, "a"));
    await through((each) => each.stopRelease(cell, "a"));
    const { liveSlot, slots } = await on.driver.status(cell);
    assert.deepEqual([liveSlot, slots.a.release, slots.b.release], ["b", null, two.name]);
  });

  test("stops and starts the whole cell", async () => {
    await through((each) => each.stop(cell));
    assert.equal((await on.driver.status(cell)).slots.b.ready, false);
    await through((each) => each.start(cell));
    await ready(on.driver, cell, "b");
    assert.equal((await on.driver.status(cell)).liveSlot, "b");
  });

  test("fences and retires", async () => {
    await through((each) => each.fence(cell));
    assert.equal((await on.driver.status(cell)).fenced, true);
    await refused("cell-fenced", on.driver.start(cell));
    await through((each) => each.retire(cell));
    await refused("unknown-cell", on.driver.status(cell));
  });
}

function isCrash(error: unknown): boolean {
  return error instanceof Crash || (error instanceof Error && error.cause !== undefined && isCrash(error.cause));
}
