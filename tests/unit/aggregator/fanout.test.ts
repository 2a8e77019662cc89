import assert from "node:assert/strict";
import { test } from "node:test";
import { Breaker } from "../../../aggregator/fanout/breaker.ts";
import { Gate } from "../../../aggregator/fanout/gate.ts";

test("a breaker opens after three failures in a row, lets one trial through later, and closes when it succeeds", () => {
  const breaker = new Breaker();
  for (let n = 0; n < 3; n += 1) {
    assert.equal(breaker.admit(0), true);
    breaker.report(false, 0);
  }
  assert.equal(breaker.isClosed, false);
  assert.equal(breaker.admit(4_999), false);
  assert.equal(breaker.admit(5_000), true, "the trial");
  assert.equal(breaker.admit(5_000), false, "only one");
  breaker.report(false, 5_000);
  assert.equal(breaker.admit(9_999), false);
  assert.equal(breaker.admit(10_000), true);
  breaker.report(true, 10_000);
  assert.equal(breaker.isClosed, true);
  assert.equal(breaker.admit(10_000), true);
});

test("a success between failures keeps a breaker closed", () => {
  const breaker = new Breaker();
  for (const succeeded of [false, false, true, false, false]) breaker.report(succeeded, 0);
  assert.equal(breaker.isClosed, true);
});

test("a gate lets only so many run at once, in order, and goes on after a failure", async () => {
  const gate = new Gate(2);
  let running = 0;
  let most = 0;
  const order: number[] = [];
  const work = (n: number) =>
    gate.run(async () => {
      running += 1;
      most = Math.max(most, running);
      order.push(n);
      await Promise.resolve();
      running -= 1;
      if (n === 1) throw new Error("one failed");
      return n;
    });
  const results = await Promise.allSettled([0, 1, 2, 3, 4].map(work));
  assert.equal(most, 2);
  assert.deepEqual(order, [0, 1, 2, 3, 4]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled", "fulfilled", "fulfilled"],
  );
});
