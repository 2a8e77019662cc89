/** Median, least and most of some figures. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** @throws RangeError where there is no figure. */
export function spreadOf(figures: readonly number[]): Spread {
  return { median: quantileOf(figures, 0.5), min: Math.min(...figures), max: Math.max(...figures) };
}

/** The figure below which a share `q` lies, between two neighbours in proportion. @throws RangeError where there is none. */
export function quantileOf(figures: ArrayLike<number>, q: number): number {
  const sorted = Float64Array.from(figures).toSorted();
  const place = (sorted.length - 1) * q;
  const below = sorted[Math.floor(place)];
  const above = sorted[Math.ceil(place)];
  if (below === undefined || above === undefined) throw new RangeError("no figures, no quantile");
  return below + (above - below) * (place - Math.floor(place));
}
