import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import test from "node:test";
import { createLog } from "../../../common/log.ts";
import { Loop } from "../../../control-plane/loop.ts";

const log = createLog("test", "silent");

test("signals during a round lead to one more round, not to many, and never to two at once", async () => {
  let rounds = 0;
  let open = 0;
  const loop = new Loop({
    name: "test",
    everyMs: 60_000,
    log,
    async work() {
      rounds += 1;
      open += 1;
      assert.equal(open, 1);
      await sleep(10);
      open -= 1;
    },
  });
  loop.start();
  for (let n = 0; n < 50; n += 1) loop.signal();
  await sleep(60);
  assert.equal(rounds, 2);
  await loop.stop();
});

test("a round that fails does not end the loop", async () => {
  let rounds = 0;
  const loop = new Loop({
    name: "test",
    everyMs: 5,
    log,
    async work() {
      rounds += 1;
      throw new Error("no luck");
    },
  });
  loop.start();
  await sleep(60);
  await loop.stop();
  const atStop = rounds;
  assert.ok(atStop >= 2);
  loop.signal();
  await sleep(10);
  assert.equal(rounds, atStop, "nothing runs after the stop");
});
