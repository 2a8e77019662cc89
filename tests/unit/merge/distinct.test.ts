import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { countDistinct, distinctOf, mergeDistinct } from "../../../aggregator/merge/distinct.ts";

const users = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => `user-${from + i}`);

describe("a distinct sketch", () => {
  it("counts small sets exactly, however they are split into buckets", () => {
    const name = fc.integer({ min: 0, max: 200 }).map((n) => `user-${n}`);
    fc.assert(
      fc.property(fc.array(fc.array(name), { maxLength: 10 }), (buckets) => {
        const merged = mergeDistinct(buckets.map(distinctOf));
        assert.equal(countDistinct(merged), new Set(buckets.flat()).size);
      }),
    );
  });

  for (const size of [256, 257, 1_000, 10_000, 100_000]) {
    it(`counts ${size} members to within four standard errors`, () => {
      const told = countDistinct(distinctOf(users(0, size)));
      const allowed = size <= 256 ? 0 : 4 * 0.016_25 * size;
      assert.ok(Math.abs(told - size) <= allowed, `${told} for ${size}`);
    });
  }

  it("merges commutatively, associatively and idempotently, across both forms", () => {
    const set = fc.tuple(fc.nat(2_000), fc.nat(600)).map(([from, size]) => distinctOf(users(from, from + size)));
    fc.assert(
      fc.property(set, set, set, (a, b, c) => {
        const merged = mergeDistinct([a, b, c]);
        assert.deepEqual(mergeDistinct([a, mergeDistinct([b, c])]), merged);
        assert.deepEqual(mergeDistinct([c, mergeDistinct([b, a])]), merged);
        assert.deepEqual(mergeDistinct([merged, a]), merged);
      }),
      { numRuns: 30 },
    );
  });

  it("counts members seen in several buckets once", () => {
    const merged = mergeDistinct([distinctOf(users(0, 6_000)), distinctOf(users(3_000, 9_000))]);
    assert.deepEqual(merged, distinctOf(users(0, 9_000)));
  });

  it("refuses registers of another precision", () => {
    const foreign = { form: "registers", registers: Buffer.alloc(16).toString("base64") } as const;
    assert.throws(() => mergeDistinct([foreign]), { code: "different-parameters" });
  });
});
