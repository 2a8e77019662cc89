import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pacedCalls } from "../../../control-plane/dns/pacing.ts";

/** A pace whose time passes only by sleeping. */
function fakePace(random = 1) {
  let now = 0;
  const slept: number[] = [];
  return {
    slept,
    now: () => now,
    pace: {
      monotonic: () => now,
      random: () => random,
      sleep: (ms: number) => {
        slept.push(ms);
        now += ms;
        return Promise.resolve();
      },
    },
  };
}

/** Fails with each error in turn, then succeeds. */
function failing(...errors: readonly Error[]): () => Promise<string> {
  const left = [...errors];
  return async () => {
    const next = left.shift();
    if (next !== undefined) throw next;
    return await Promise.resolve("done");
  };
}

const refusal = (name: string, httpStatusCode = 400): Error =>
  Object.assign(new Error(name), { name, $metadata: { httpStatusCode } });

describe("paced calls", () => {
  it("keep to the rate budget", async () => {
    const { pace, now } = fakePace();
    const paced = pacedCalls(pace);
    for (let n = 0; n < 5; n += 1) await paced.call(() => Promise.resolve(n));
    assert.equal(now(), 4 * 250);
  });

  it("try again with growing pauses what Route 53 says with HTTP 400 but means for now", async () => {
    const { pace, slept } = fakePace();
    const paced = pacedCalls(pace);
    const send = failing(refusal("Throttling"), refusal("PriorRequestNotComplete"), refusal("ThrottlingException"));
    assert.equal(await paced.call(send), "done");
    assert.equal(paced.retries(), 3);
    assert.deepEqual(slept, [500, 1_000, 2_000]);
  });

  it("spread their pauses by jitter", async () => {
    const { pace, slept } = fakePace(0.6);
    await pacedCalls(pace).call(failing(refusal("Throttling")));
    assert.deepEqual(slept, [300]);
  });

  it("try again after server faults and lost connections", async () => {
    const { pace } = fakePace();
    const reset = Object.assign(new Error("reset"), { code: "ECONNRESET" });
    const paced = pacedCalls(pace);
    await paced.call(failing(refusal("InternalFailure", 500), reset, refusal("TimeoutError", 0)));
    assert.equal(paced.retries(), 3);
  });

  it("do not repeat what is refused for good", async () => {
    const { pace } = fakePace();
    const paced = pacedCalls(pace);
    await assert.rejects(
      paced.call(() => Promise.reject(refusal("InvalidChangeBatch"))),
      { name: "InvalidChangeBatch" },
    );
    assert.equal(paced.retries(), 0);
  });

  it("give up after a bounded number of tries", async () => {
    const { pace, now } = fakePace();
    let tries = 0;
    const endless = (): Promise<never> => {
      tries += 1;
      return Promise.reject(refusal("Throttling"));
    };
    await assert.rejects(pacedCalls(pace).call(endless), {
      code: "dns-unavailable",
      message: "Throttling after 9 tries",
    });
    assert.equal(tries, 9);
    assert.ok(now() < 120_000);
  });
});
