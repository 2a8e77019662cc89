import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { CellAddresses } from "../../cells/drivers/driver.ts";
import { scene } from "./scene.ts";
import { ready, refused, type Capabilities, type Open } from "./stage.ts";

/** What becomes of requests that last while their slot is switched, drained and stopped. */
export function requests(open: Open, { drainMs }: Capabilities): void {
  let addresses: CellAddresses;
  const on = scene(open, async ({ driver, cell, one, two }) => {
    addresses = await driver.provision({ id: cell, region: "eu" });
    for (const [slot, release] of [
      ["a", one],
      ["b", two],
    ] as const) {
      await driver.installRelease(cell, release);
      await driver.migrate(cell, release);
      await driver.startRelease(cell, slot, release);
      await ready(driver, cell, slot);
    }
  });
  const { cell } = on;

  const hold = (slot: "a" | "b", ms: number): Promise<Response> => fetch(`${addresses[slot].url}/hold?ms=${ms}`);

  test("a drain waits for a request that lasts, which is answered", async () => {
    const lasting = hold("a", 2_000);
    await arrived(addresses.a.url);
    await on.driver.switchSlot(cell, "a", "b");
    let answered = false;
    const answer = lasting.then((response) => {
      answered = true;
      return response.status;
    });
    await on.driver.drain(cell, "a");
    assert.equal(answered, true, "the drain outlasted the request");
    assert.equal(await answer, 200);
  });

  test("a drain does not wait for ever for a stream that stays open", async () => {
    const stream = new AbortController();
    const response = await fetch(`${addresses.a.url}/stream`, { signal: stream.signal });
    assert.equal(response.status, 200);
    const began = performance.now();
    await on.driver.drain(cell, "a");
    const tookMs = performance.now() - began;
    assert.ok(tookMs >= drainMs, `it waited for the stream as long as it may: ${tookMs} ms`);
    stream.abort();
  });

  test("a drain ends with slot-live when the slot is switched back to, whose requests go on", async () => {
    const lasting = hold("a", 3_000);
    await arrived(addresses.a.url);
    const draining = refused("slot-live", on.driver.drain(cell, "a"));
    await on.driver.switchSlot(cell, "b", "a");
    await draining;
    await refused("slot-live", on.driver.stopRelease(cell, "a"));
    assert.equal((await lasting).status, 200);
  });

  test("a slot that stops answers what it has begun", async () => {
    const lasting = hold("b", 1_000);
    await arrived(addresses.b.url);
    await on.driver.stopRelease(cell, "b");
    assert.equal((await lasting).status, 200);
    await assert.rejects(fetch(addresses.b.url));
  });
}

/** One answer after another request was sent: the one before has reached the server too, since both came over the loopback. */
async function arrived(url: string): Promise<void> {
  await sleep(200);
  assert.equal((await fetch(url)).status, 200);
}
