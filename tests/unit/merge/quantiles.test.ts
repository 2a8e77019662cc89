import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { mergeSketches, quantile, sketchOf } from "../../../aggregator/merge/quantiles.ts";

const magnitudes = fc.double({ min: 1e-6, max: 1e9, noNaN: true });
const values = fc.array(
  fc.oneof(
    magnitudes,
    magnitudes.map((value) => -value),
    fc.constant(0),
  ),
  { minLength: 1, maxLength: 200 },
);

describe("a quantile sketch", () => {
  it("answers every quantile to within its relative error", () => {
    fc.assert(
      fc.property(values, fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0.01, 0.05), (list, q, alpha) => {
        const exact = list.toSorted((a, b) => a - b)[Math.floor(q * (list.length - 1))] ?? Number.NaN;
        const told = quantile(sketchOf(list, alpha), q) ?? Number.NaN;
        assert.ok(Math.abs(told - exact) <= alpha * Math.abs(exact) + 1e-9, `${told} for ${exact}`);
      }),
    );
  });

  it("is the same whether values are sketched together or merged in any order and grouping", () => {
    fc.assert(
      fc.property(values, values, values, (a, b, c) => {
        const [x, y, z] = [sketchOf(a), sketchOf(b), sketchOf(c)];
        const together = sketchOf([...a, ...b, ...c]);
        assert.deepEqual(mergeSketches([x, mergeSketches([y, z])]), together);
        assert.deepEqual(mergeSketches([mergeSketches([x, y]), z]), together);
        assert.deepEqual(mergeSketches([z, x, y]), together);
      }),
    );
  });

  it("survives JSON", () => {
    const sketch = sketchOf([3, -1, 0, 2.5]);
    assert.deepEqual(JSON.parse(JSON.stringify(sketch)), sketch);
  });

  it("stays bounded over any range, merging included, and keeps the upper quantiles right", () => {
    const wide = Array.from({ length: 5_000 }, (_, i) => 10 ** (i / 25 - 8));
    const [odd, even] = [wide.filter((_, i) => i % 2 === 1), wide.filter((_, i) => i % 2 === 0)];
    const merged = mergeSketches([sketchOf(odd), sketchOf(even)]);
    assert.deepEqual(merged, sketchOf(wide));
    assert.ok(merged.positive.length <= 2_048);
    const exact = wide[Math.floor(0.99 * 4_999)] ?? 0;
    assert.ok(Math.abs((quantile(merged, 0.99) ?? 0) - exact) <= 0.01 * exact);
  });

  it("has no quantile when empty", () => {
    assert.equal(quantile(sketchOf([]), 0.5), null);
    assert.equal(quantile(mergeSketches([]), 0.5), null);
  });

  it("refuses what is not a finite number, and other error bounds", () => {
    assert.throws(() => sketchOf([Number.NaN]), { code: "malformed-value" });
    assert.throws(() => mergeSketches([sketchOf([1], 0.01), sketchOf([1], 0.02)]), { code: "different-parameters" });
  });
});
