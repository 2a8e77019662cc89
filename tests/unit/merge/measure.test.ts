import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { distinctOf } from "../../../aggregator/merge/distinct.ts";
import {
  type Axis,
  axes,
  type Measure,
  type MeasureKind,
  mergeMeasures,
  ratioOf,
} from "../../../aggregator/merge/measure.ts";
import { sketchOf } from "../../../aggregator/merge/quantiles.ts";
import { topOf } from "../../../aggregator/merge/top.ts";
import { measureOf } from "../../../aggregator/merge/wire.ts";

const sum = (value: number): Measure => ({ kind: "sum", value });
const distinct = (...members: string[]): Measure => ({ kind: "distinct", sketch: distinctOf(members) });

const merges: readonly { name: string; kind: MeasureKind; axis: Axis; from: readonly Measure[]; to: Measure }[] = [
  { name: "sums add", kind: "sum", axis: "cells", from: [sum(1), sum(2)], to: sum(3) },
  { name: "no sums are zero", kind: "sum", axis: "cells", from: [], to: sum(0) },
  {
    name: "minima ignore the cells that saw nothing",
    kind: "min",
    axis: "cells",
    from: [
      { kind: "min", value: 4 },
      { kind: "min", value: null },
      { kind: "min", value: 2 },
    ],
    to: { kind: "min", value: 2 },
  },
  { name: "no maxima are null, not zero", kind: "max", axis: "buckets", from: [], to: { kind: "max", value: null } },
  {
    name: "ratios merge as their sums, not as their mean",
    kind: "ratio",
    axis: "tenants",
    from: [
      { kind: "ratio", numerator: 1, denominator: 1 },
      { kind: "ratio", numerator: 0, denominator: 99 },
    ],
    to: { kind: "ratio", numerator: 1, denominator: 100 },
  },
  {
    name: "distinct users of a tenant are united over buckets",
    kind: "distinct",
    axis: "buckets",
    from: [distinct("ann", "bob"), distinct("bob", "cid")],
    to: distinct("ann", "bob", "cid"),
  },
  {
    name: "distinct users add up over tenants: bob of one tenant is not bob of another",
    kind: "distinct",
    axis: "tenants",
    from: [distinct("ann", "bob"), distinct("bob")],
    to: { kind: "distinct-count", value: 3 },
  },
  {
    name: "counts of distinct users add up over cells",
    kind: "distinct-count",
    axis: "cells",
    from: [
      { kind: "distinct-count", value: 3 },
      { kind: "distinct-count", value: 4 },
    ],
    to: { kind: "distinct-count", value: 7 },
  },
  {
    name: "quantiles merge as sketches",
    kind: "quantiles",
    axis: "cells",
    from: [
      { kind: "quantiles", sketch: sketchOf([1, 2]) },
      { kind: "quantiles", sketch: sketchOf([3]) },
    ],
    to: { kind: "quantiles", sketch: sketchOf([1, 2, 3]) },
  },
  {
    name: "top keys merge as summaries",
    kind: "top",
    axis: "cells",
    from: [
      { kind: "top", summary: topOf([["push", 2]], 5) },
      { kind: "top", summary: topOf([["push", 1]], 5) },
    ],
    to: { kind: "top", summary: topOf([["push", 3]], 5) },
  },
];

const refusals: readonly { name: string; kind: MeasureKind; axis: Axis; from: readonly Measure[]; code: string }[] = [
  { name: "averages", kind: "average", axis: "cells", from: [{ kind: "average", value: 1 }], code: "not-mergeable" },
  { name: "finished percentiles", kind: "percentile", axis: "cells", from: [], code: "not-mergeable" },
  {
    name: "counts of distinct users over buckets",
    kind: "distinct-count",
    axis: "buckets",
    from: [{ kind: "distinct-count", value: 1 }],
    code: "axis-not-mergeable",
  },
  {
    name: "a mix of kinds",
    kind: "sum",
    axis: "cells",
    from: [sum(1), { kind: "max", value: 1 }],
    code: "mixed-kinds",
  },
  { name: "NaN", kind: "sum", axis: "cells", from: [sum(Number.NaN)], code: "malformed-value" },
  {
    name: "sums beyond exactness",
    kind: "sum",
    axis: "cells",
    from: [sum(2 ** 53 - 1), sum(2)],
    code: "merge-overflow",
  },
];

describe("merging measures", () => {
  for (const { name, kind, axis, from, to } of merges) {
    it(name, () => assert.deepEqual(mergeMeasures(kind, axis, from), to));
  }
  for (const { name, kind, axis, from, code } of refusals) {
    it(`refuses ${name}`, () => assert.throws(() => mergeMeasures(kind, axis, from), { code }));
  }

  it("is associative and commutative for whole numbers along every axis", () => {
    const integers = fc.array(fc.integer({ min: -1_000_000, max: 1_000_000 }).map(sum), { minLength: 3 });
    fc.assert(
      fc.property(integers, fc.constantFrom(...axes), (list, axis) => {
        const merge = (parts: readonly Measure[]): Measure => mergeMeasures("sum", axis, parts);
        assert.deepEqual(merge([merge(list.slice(0, 2)), merge(list.slice(2))]), merge(list));
        assert.deepEqual(merge(list.toReversed()), merge(list));
      }),
    );
  });

  it("tells a ratio of nothing from a ratio of zero", () => {
    assert.equal(ratioOf({ kind: "ratio", numerator: 0, denominator: 0 }), null);
    assert.equal(ratioOf({ kind: "ratio", numerator: 0, denominator: 5 }), 0);
  });
});

describe("reading a measure from the wire", () => {
  it("accepts what the builders make, through JSON", () => {
    const wire = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
    const many = distinctOf(Array.from({ length: 300 }, (_, i) => `user-${i}`));
    assert.deepEqual(measureOf("sum", 3), sum(3));
    assert.deepEqual(measureOf("max", null), { kind: "max", value: null });
    assert.deepEqual(measureOf("quantiles", wire(sketchOf([1, -2, 0]))), {
      kind: "quantiles",
      sketch: sketchOf([1, -2, 0]),
    });
    assert.deepEqual(measureOf("distinct", wire(distinctOf(["ann"]))), distinct("ann"));
    assert.deepEqual(measureOf("distinct", wire(many)), { kind: "distinct", sketch: many });
  });

  it("refuses everything else", () => {
    for (const value of ["3", null, undefined, {}, Number.NaN]) {
      assert.throws(() => measureOf("sum", value), { code: "malformed-value" });
    }
    assert.throws(() => measureOf("distinct", { form: "explicit", members: ["ann"] }), { code: "malformed-value" });
    assert.throws(() => measureOf("quantiles", { ...sketchOf([1]), extra: 1 }), { code: "malformed-value" });
  });
});
