import { countDistinct, type DistinctSketch, emptyDistinct, mergeDistinct } from "./distinct.ts";
import { cannotMerge } from "./errors.ts";
import { mergeSketches, type QuantileSketch } from "./quantiles.ts";
import { mergeTop, type TopSummary } from "./top.ts";

/** A value of an answer together with what it takes to merge it with others. */
export type Measure =
  | { readonly kind: "sum"; readonly value: number }
  | { readonly kind: "min"; readonly value: number | null }
  | { readonly kind: "max"; readonly value: number | null }
  /** A mean or a rate, kept as its two sums: means of means are wrong, ratios of sums are right. */
  | { readonly kind: "ratio"; readonly numerator: number; readonly denominator: number }
  | { readonly kind: "top"; readonly summary: TopSummary }
  | { readonly kind: "quantiles"; readonly sketch: QuantileSketch }
  /** Distinct members of one tenant, mergeable over buckets. */
  | { readonly kind: "distinct"; readonly sketch: DistinctSketch }
  /** A count of distinct members. Disjoint over tenants (a user belongs to one), so there it adds up exactly. */
  | { readonly kind: "distinct-count"; readonly value: number }
  /** Numbers that lost what merging needs. They may be shown, never merged. */
  | { readonly kind: "average"; readonly value: number }
  | { readonly kind: "percentile"; readonly value: number };

export type MeasureKind = Measure["kind"];
type MeasureOf<Kind extends MeasureKind> = Extract<Measure, { readonly kind: Kind }>;

/** What the merged values differ in. A cell's tenants are its own, so cells merge as tenants do. */
export const axes = ["buckets", "tenants", "cells"] as const;
export type Axis = (typeof axes)[number];

/**
 * Merges measures of one kind along one axis.
 * @param kind what all values must be; also says what the merge of no values is.
 * @returns a measure that can be merged further. Distinct sketches over tenants or cells become a `distinct-count`.
 * @throws when the kind, or the kind along this axis, cannot be merged, or a value is not a finite number.
 */
export function mergeMeasures(kind: MeasureKind, axis: Axis, measures: readonly Measure[]): Measure {
  switch (kind) {
    case "sum":
      return { kind, value: total(only(kind, measures).map((measure) => measure.value)) };
    case "min":
      return { kind, value: extreme(only(kind, measures), Math.min) };
    case "max":
      return { kind, value: extreme(only(kind, measures), Math.max) };
    case "ratio": {
      const ratios = only(kind, measures);
      const numerator = total(ratios.map((ratio) => ratio.numerator));
      return { kind, numerator, denominator: total(ratios.map((ratio) => ratio.denominator)) };
    }
    case "top":
      return { kind, summary: mergeTop(only(kind, measures).map((measure) => measure.summary)) };
    case "quantiles":
      return { kind, sketch: mergeSketches(only(kind, measures).map((measure) => measure.sketch)) };
    case "distinct": {
      const sketches = only(kind, measures).map((measure) => measure.sketch);
      if (axis === "buckets") return { kind, sketch: sketches.length === 0 ? emptyDistinct : mergeDistinct(sketches) };
      return { kind: "distinct-count", value: total(sketches.map(countDistinct)) };
    }
    case "distinct-count":
      if (axis === "buckets") throw cannotMerge("axis-not-mergeable", `${kind} over ${axis}`);
      return { kind, value: total(only(kind, measures).map((measure) => measure.value)) };
    case "average":
    case "percentile":
      throw cannotMerge("not-mergeable", kind);
    default:
      return kind satisfies never;
  }
}

/** A ratio's value; null where nothing was counted, which is not the same as zero. */
export function ratioOf(measure: MeasureOf<"ratio">): number | null {
  return measure.denominator === 0 ? null : measure.numerator / measure.denominator;
}

function only<Kind extends MeasureKind>(kind: Kind, measures: readonly Measure[]): readonly MeasureOf<Kind>[] {
  const odd = measures.find((measure) => measure.kind !== kind);
  if (odd !== undefined) throw cannotMerge("mixed-kinds", `${kind} and ${odd.kind}`);
  return measures as readonly MeasureOf<Kind>[];
}

function total(numbers: readonly number[]): number {
  const sum = numbers.reduce((running, value) => running + finite(value), 0);
  const counts = numbers.every(Number.isInteger);
  if (!Number.isFinite(sum) || (counts && !Number.isSafeInteger(sum)))
    throw cannotMerge("merge-overflow", `sum ${sum}`);
  return sum;
}

function extreme(measures: readonly MeasureOf<"min" | "max">[], pick: (a: number, b: number) => number): number | null {
  const numbers = measures.flatMap(({ value }) => (value === null ? [] : [finite(value)]));
  return numbers.length === 0 ? null : numbers.reduce((a, b) => pick(a, b));
}

function finite(value: number): number {
  if (!Number.isFinite(value)) throw cannotMerge("malformed-value", `value ${value}`);
  return value;
}
