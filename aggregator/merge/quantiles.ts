import { cannotMerge } from "./errors.ts";

/**
 * A quantile sketch with a guaranteed relative error: for any q, the answer differs from the true q-quantile by at
 * most `relativeError` of it. Fully mergeable, and plain JSON, so that it is its own wire form.
 *
 * Algorithm: Masson, Rim, Lee, "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error Guarantees",
 * VLDB 2019. A positive value x is counted in bin ⌈log_γ x⌉, γ = (1+α)/(1−α); the bin's representative 2γ^i/(γ+1) is
 * within α of every value in it. Bins are `[index, count]`, ascending by index.
 */
export interface QuantileSketch {
  readonly relativeError: number;
  readonly count: number;
  readonly zeros: number;
  readonly min: number | null;
  readonly max: number | null;
  readonly positive: readonly Bin[];
  readonly negative: readonly Bin[];
}

export type Bin = readonly [index: number, count: number];

/** One per cent: a p99 of 200 ms is told as 198 to 202 ms. */
export const defaultRelativeError = 0.01;

// Below this a value counts as zero: logarithmic bins never reach it, and no quantity here has finer units.
const smallestMagnitude = 1e-9;

// With α = 1 % this spans 17 decimal orders of magnitude. Beyond it the bins nearest to zero are folded together, which
// keeps the guarantee for the upper quantiles. The floor depends only on the largest index, so merging stays associative.
const maxBins = 2_048;

export function emptySketch(relativeError: number = defaultRelativeError): QuantileSketch {
  if (!(relativeError > 0 && relativeError < 1))
    throw cannotMerge("malformed-value", `relative error ${relativeError}`);
  return { relativeError, count: 0, zeros: 0, min: null, max: null, positive: [], negative: [] };
}

/**
 * Counts values into a sketch.
 * @throws `malformed-value` for NaN and infinities.
 */
export function sketchOf(values: Iterable<number>, relativeError: number = defaultRelativeError): QuantileSketch {
  const empty = emptySketch(relativeError);
  const logGamma = Math.log((1 + relativeError) / (1 - relativeError));
  const positive = new Map<number, number>();
  const negative = new Map<number, number>();
  let count = 0;
  let zeros = 0;
  let min: number | null = null;
  let max: number | null = null;

  for (const value of values) {
    if (!Number.isFinite(value)) throw cannotMerge("malformed-value", `value ${value}`);
    const magnitude = Math.abs(value);
    count += 1;
    min = min === null || value < min ? value : min;
    max = max === null || value > max ? value : max;
    if (magnitude < smallestMagnitude) {
      zeros += 1;
      continue;
    }
    const bins = value > 0 ? positive : negative;
    const index = Math.ceil(Math.log(magnitude) / logGamma);
    bins.set(index, (bins.get(index) ?? 0) + 1);
  }
  return { ...empty, count, zeros, min, max, positive: toBins(positive), negative: toBins(negative) };
}

/**
 * Merges sketches; the result is the sketch of all their values together.
 * @throws `different-parameters` when their error bounds differ.
 */
export function mergeSketches(sketches: readonly QuantileSketch[]): QuantileSketch {
  const first = sketches[0];
  if (first === undefined) return emptySketch();

  const positive = new Map<number, number>();
  const negative = new Map<number, number>();
  let count = 0;
  let zeros = 0;
  let min: number | null = null;
  let max: number | null = null;
  for (const sketch of sketches) {
    if (sketch.relativeError !== first.relativeError) {
      throw cannotMerge("different-parameters", `relative errors ${first.relativeError} and ${sketch.relativeError}`);
    }
    addBins(positive, sketch.positive);
    addBins(negative, sketch.negative);
    count += sketch.count;
    zeros += sketch.zeros;
    if (sketch.min !== null) min = min === null ? sketch.min : Math.min(min, sketch.min);
    if (sketch.max !== null) max = max === null ? sketch.max : Math.max(max, sketch.max);
  }
  return {
    relativeError: first.relativeError,
    count,
    zeros,
    min,
    max,
    positive: toBins(positive),
    negative: toBins(negative),
  };
}

/**
 * The value below which a share `q` (0 to 1) of the values lies: the value of rank ⌊q·(n−1)⌋, to within the sketch's
 * relative error. Null when the sketch is empty.
 */
export function quantile(sketch: QuantileSketch, q: number): number | null {
  if (!(q >= 0 && q <= 1)) throw cannotMerge("malformed-value", `quantile ${q}`);
  if (sketch.min === null || sketch.max === null) return null;

  const rank = Math.floor(q * (sketch.count - 1));
  const estimate = valueAtRank(sketch, rank);
  return Math.min(Math.max(estimate, sketch.min), sketch.max);
}

function valueAtRank(sketch: QuantileSketch, rank: number): number {
  const gamma = (1 + sketch.relativeError) / (1 - sketch.relativeError);
  let seen = 0;
  for (const [index, count] of sketch.negative.toReversed()) {
    seen += count;
    if (seen > rank) return -representative(gamma, index);
  }
  seen += sketch.zeros;
  if (seen > rank) return 0;
  for (const [index, count] of sketch.positive) {
    seen += count;
    if (seen > rank) return representative(gamma, index);
  }
  return sketch.max ?? 0;
}

function representative(gamma: number, index: number): number {
  return (2 * gamma ** index) / (gamma + 1);
}

function addBins(into: Map<number, number>, bins: readonly Bin[]): void {
  for (const [index, count] of bins) into.set(index, (into.get(index) ?? 0) + count);
}

function toBins(counts: ReadonlyMap<number, number>): readonly Bin[] {
  const sorted = [...counts].toSorted(([a], [b]) => a - b);
  const last = sorted.at(-1);
  if (last === undefined) return sorted;

  const floor = last[0] - maxBins + 1;
  const folded = sorted.filter(([index]) => index <= floor).reduce((sum, [, count]) => sum + count, 0);
  const kept = sorted.filter(([index]) => index > floor);
  return folded === 0 ? kept : [[floor, folded], ...kept];
}
