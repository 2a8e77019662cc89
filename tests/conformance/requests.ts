import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { CellAddresses, CellDriver } from "../../cells/drivers/driver.ts";
import { cellId } from "../../common/ids.ts";
import { ready, refused, type Capabilities, type Open, type Stage } from "./stage.ts";
import { StandInReleases } from "./stand-in-releases.ts";

/** What becomes of requests that last while their slot is switched, drained and stopped. */
export function requests(open: Open, { drainMs }: Capabilities): void {
  const cell = cellId("cell-1");
  const releases = new StandInReleases();
  let stage: Stage;
  let driver: CellDriver;
  let addresses: CellAddresses;

  before(async () => {
    stage = await open(releases);
    driver = stage.driver;
    addresses = await driver.provision({ id: cell, region: "eu" });
    for (const [slot, version] of [
      ["a", "1"],
      ["b", "2"],
    ] as const) {
      const release = releases.make(version);
      await driver.installRelease(cell, release);
      await driver.migrate(cell, release);
      await driver.startRelease(cell, slot, release);
      await ready(driver, cell, slot);
    }
  });
  after(() => stage.close());

  const hold = (slot: "a" | "b", ms: number): Promise<Response> => fetch(`${addresses[slot].url}/hold?ms=${ms}`);

  test("a drain waits for a request that lasts, which is answered", async () => {
    const lasting = hold("a", 2_000);
    await arrived(addresses.a.url);
    await driver.switchSlot(cell, "a", "b");
    let answered = false;
    const answer = lasting.then((response) => {
      answered = true;
      return response.status;
    });
    await driver.drain(cell, "a");
    assert.equal(answered, true, "the drain outlasted the request");
    assert.equal(await answer, 200);
  });

  test("a drain does not wait for ever for a stream that stays open", async () => {
    const stream = new AbortController();
    const response = await fetch(`${addresses.a.url}/stream`, { signal: stream.signal });
    assert.equal(response.status, 200);
    const began = performance.now();
    await driver.drain(cell, "a");
    const tookMs = performance.now() - began;
    assert.ok(tookMs >= drainMs, `it waited for the stream as long as it may: ${tookMs} ms`);
    stream.abort();
  });

  test("a drain ends with slot-live when the slot is switched back to, whose requests go on", async () => {
    const lasting = hold("a", 3_000);
    await arrived(addresses.a.url);
    const draining = refused("slot-live", driver.drain(cell, "a"));
    await driver.switchSlot(cell, "b", "a");
    await draining;
    await refused("slot-live", driver.stopRelease(cell, "a"));
    assert.equal((await lasting).status, 200);
  });

  test("a slot that stops answers what it has begun", async () => {
    const lasting = hold("b", 1_000);
    await arrived(addresses.b.url);
    await driver.stopRelease(cell, "b");
    assert.equal((await lasting).status, 200);
    await assert.rejects(fetch(addresses.b.url));
  });
}

/** One answer after another request was sent: the one before has reached the server too, since both came over the loopback. */
async function arrived(url: string): Promise<void> {
  await sleep(200);
  assert.equal((await fetch(url)).status, 200);
}
