import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { mergeTop, topOf } from "../../../aggregator/merge/top.ts";

const counts = fc
  .dictionary(fc.constantFrom("a", "b", "c", "d", "e", "f", "g", "h"), fc.integer({ min: 1, max: 50 }))
  .map(Object.entries<number>);

function trueCounts(parts: readonly (readonly [string, number][])[]): Map<string, number> {
  const truth = new Map<string, number>();
  for (const [key, count] of parts.flat()) truth.set(key, (truth.get(key) ?? 0) + count);
  return truth;
}

describe("a summary of the most frequent keys", () => {
  it("holds its bounds for listed and unlisted keys, in whatever order parts are merged", () => {
    fc.assert(
      fc.property(counts, counts, counts, fc.integer({ min: 1, max: 6 }), (a, b, c, capacity) => {
        const [x, y, z] = [topOf(a, capacity), topOf(b, capacity), topOf(c, capacity)];
        for (const merged of [mergeTop([x, y, z]), mergeTop([mergeTop([z, x]), y]), mergeTop([x, mergeTop([y, z])])]) {
          const listed = new Map(merged.entries.map((entry) => [entry.key, entry]));
          for (const [key, truth] of trueCounts([a, b, c])) {
            const entry = listed.get(key);
            if (entry === undefined) assert.ok(truth <= merged.floor);
            else assert.ok(entry.count - entry.error <= truth && truth <= entry.count);
          }
        }
      }),
    );
  });

  it("is exact while no part exceeds its capacity", () => {
    fc.assert(
      fc.property(counts, counts, (a, b) => {
        const merged = mergeTop([topOf(a, 20), topOf(b, 20)]);
        assert.equal(merged.floor, 0);
        const told = new Map(merged.entries.map((entry) => [entry.key, entry.count]));
        assert.deepEqual(told, new Map(trueCounts([a, b])));
      }),
    );
  });

  it("does not depend on the order of its parts", () => {
    fc.assert(
      fc.property(counts, counts, counts, (a, b, c) => {
        const parts = [topOf(a, 3), topOf(b, 3), topOf(c, 3)];
        assert.deepEqual(mergeTop(parts), mergeTop(parts.toReversed()));
      }),
    );
  });

  it("refuses parts of different capacity", () => {
    assert.throws(() => mergeTop([topOf([], 3), topOf([], 4)]), { code: "different-parameters" });
  });
});
