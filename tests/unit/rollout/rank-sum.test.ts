import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { median, rankSum } from "../../../control-plane/rollout/rank-sum.ts";

const near = (actual: number, expected: number, within: number): void =>
  assert.ok(Math.abs(actual - expected) < within, `${actual} is not near ${expected}`);

describe("the rank-sum test", () => {
  it("gives the statistic and probability that SciPy and ClickHouse give, ties and all", () => {
    const first = [310, 195, 530, 155, 530, 245, 385, 450, 465, 545, 170, 180, 125, 180, 230, 75, 430, 480, 495, 295];
    const second = [116, 171, 176, 421, 111, 326, 481, 111, 346, 441, 261, 411, 206, 521, 456, 446, 296, 51, 426, 261];
    const test = rankSum(first, second);
    assert.equal(test?.u, 223);
    near(2 * (test?.pGreater ?? 0), 0.5426959774289482, 1e-6);
  });

  it("estimates the shift by the median of all differences", () => {
    assert.equal(rankSum([11, 12, 13], [1, 2, 3])?.shift, 10);
    assert.equal(median([3, 1, 2, 10]), 2.5);
  });

  it("says nothing of empty samples, and finds nothing where all values are alike", () => {
    assert.equal(rankSum([], [1]), null);
    assert.equal(rankSum([5, 5, 5], [5, 5])?.pGreater, 1);
  });

  const values = fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 1, maxLength: 25 });

  it("counts every pair for one side or the other, and shifts the other way round when turned round", () => {
    fc.assert(
      fc.property(values, values, (a, b) => {
        const [forth, back] = [rankSum(a, b), rankSum(b, a)];
        assert.equal((forth?.u ?? 0) + (back?.u ?? 0), a.length * b.length);
        near(forth?.shift ?? NaN, -(back?.shift ?? NaN), 1e-9);
      }),
    );
  });

  it("follows a shift of the first sample", () => {
    fc.assert(
      fc.property(values, values, fc.integer({ min: 1, max: 9 }), (a, b, by) => {
        const moved = rankSum(
          a.map((value) => value + by),
          b,
        );
        near(moved?.shift ?? NaN, (rankSum(a, b)?.shift ?? NaN) + by, 1e-9);
        assert.ok((moved?.pGreater ?? 1) <= (rankSum(a, b)?.pGreater ?? 0) + 1e-9);
      }),
    );
  });
});
