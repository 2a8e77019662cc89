/** What two samples say about each other. */
export interface RankSum {
  /** Pairs in which the first sample's value is the larger one, ties counting half. */
  readonly u: number;
  /** Probability of so large a U, or a larger one, if the first sample did not tend to larger values. */
  readonly pGreater: number;
  /** How much larger the first sample's values are. */
  readonly shift: number;
}

/**
 * The rank-sum test of H. B. Mann and D. R. Whitney ("On a test of whether one of two random variables is stochastically larger than the
 * other", Annals of Mathematical Statistics 18, 1947), by its normal approximation with corrections for ties and continuity, and the shift
 * estimate of J. L. Hodges and E. L. Lehmann ("Estimates of location based on rank tests", same journal 34, 1963): the median of all pairwise
 * differences. Both as in M. Hollander, D. A. Wolfe, E. Chicken, Nonparametric Statistical Methods, 3rd ed., sections 4.1 and 4.2. Written here: what the
 * package registry has of it gives U without its probability or its shift.
 * @returns null of an empty sample.
 */
export function rankSum(first: readonly number[], second: readonly number[]): RankSum | null {
  if (first.length === 0 || second.length === 0) return null;
  const { ranks, ties } = rankOf([...first, ...second]);
  const [n, m] = [first.length, second.length];
  const u = ranks.slice(0, n).reduce((sum, rank) => sum + rank, 0) - (n * (n + 1)) / 2;
  const size = n + m;
  const variance = ((n * m) / 12) * (size + 1 - ties / (size * (size - 1)));
  // All values alike: nothing speaks for a difference.
  const pGreater = variance === 0 ? 1 : normalTail((u - (n * m) / 2 - 0.5) / Math.sqrt(variance));
  return { u, pGreater, shift: median(first.flatMap((a) => second.map((b) => a - b))) };
}

/** Mid-ranks, from 1, and Σ(t³ − t) over groups of t alike. */
function rankOf(values: readonly number[]): { readonly ranks: readonly number[]; readonly ties: number } {
  const order = values.map((_, n) => n).toSorted((a, b) => (values[a] ?? 0) - (values[b] ?? 0));
  const ranks: number[] = Array.from({ length: values.length }, () => 0);
  let ties = 0;
  for (let from = 0; from < order.length;) {
    let to = from;
    while (to < order.length && values[order[to] as number] === values[order[from] as number]) to += 1;
    for (const n of order.slice(from, to)) ranks[n] = (from + 1 + to) / 2;
    ties += (to - from) ** 3 - (to - from);
    from = to;
  }
  return { ranks, ties };
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}

/**
 * P(Z ≥ z) of a standard normal, by the rational approximation of M. Abramowitz, I. A. Stegun, Handbook of Mathematical Functions, 26.2.17; its
 * error is below 7.5·10⁻⁸, far below any significance asked for.
 */
function normalTail(z: number): number {
  if (z < 0) return 1 - normalTail(-z);
  const t = 1 / (1 + 0.2316419 * z);
  const polynomial = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return (Math.exp(-(z * z) / 2) / Math.sqrt(2 * Math.PI)) * polynomial;
}

/** The z below which a standard normal lies with probability `p`, by bisection. */
export function normalQuantile(p: number): number {
  let [low, high] = [-10, 10];
  for (let step = 0; step < 50; step += 1) {
    const middle = (low + high) / 2;
    if (1 - normalTail(middle) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
