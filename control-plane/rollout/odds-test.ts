/** Errors of the judged cell and of the control cells. */
export interface ErrorPair {
  readonly errors: number;
  readonly controlErrors: number;
}

/** Errors of one look, or of several with the same exposure. */
export interface LookErrors extends ErrorPair {
  /** How the odds that an error is the judged cell's have changed since before, by traffic alone; 1 for not at all. */
  readonly exposure: number;
}

// Mixtures, so that no size of a change must be guessed: errors many times more often now, and odds before that lie below those supposed. The 1 in both
// keeps the evidence of one from being lost where the other is long and says nothing: a wager that is not placed is not lost.
const risesNow = [1, 1.3, 1.8, 4, 15] as const;
const lowerBefore = [1, 1.35, 2.5, 10] as const;

/** Where the odds are looked for, around those counted before, as logarithms; and how finely. */
const searched = { below: 2, above: 5, step: 0.1, refinements: 30 } as const;

/**
 * Evidence that errors fall on the judged cell more often than before, against control cells: an any-time-valid test. Reached with probability at most α
 * is ln(1/α), however often one looks, if they do not.
 *
 * Given that an error happens at one of the cells, it is the judged cell's with odds ω : 1. Whatever makes the errors of all cells rise and fall
 * together cancels out, so that nothing need be known about rates in time (M. Lindon, A. Malek, "Anytime-Valid Inference for Multinomial Count
 * Data", NeurIPS 2022, section 4). Suppose ω before. Under an alternative of θ-fold odds now, one error multiplies the likelihood ratio by
 * θ(1+ω)/(1+θω) at the judged cell and by (1+ω)/(1+θω) at a control: a martingale of mean 1 if the odds are ω, and shrinking if they are less; so is
 * a mixture over θ, which by Ville's inequality ever reaches 1/α with probability at most α (H. Robbins, "Statistical methods related to the law of the
 * iterated logarithm", 1970). The counts of before speak on ω in the same way, by the likelihood ratio of lower odds: an e-value of
 * independent data, so that the product is a test of that ω too (A. Ramdas, P. Grünwald, V. Vovk, G. Shafer, "Game-theoretic statistics and safe
 * anytime-valid inference", Statistical Science 38, 2023). ω is not known, so that the smallest product over all ω counts. Errors are taken as
 * rare and independent.
 * @param enough values below it need not be exact: any upper bound of theirs below it is as good, and found sooner.
 * @returns natural logarithm; 0 or less speaks for no change.
 */
export function logEvidence(before: ErrorPair, looks: readonly LookErrors[], enough = -Infinity): number {
  const at = (logOdds: number): number => {
    const odds = Math.exp(logOdds);
    const past = lowerBefore.map((times) => logRatio(before, odds, 1 / times));
    const present = risesNow.map((times) =>
      looks.reduce((sum, look) => sum + logRatio(look, odds * look.exposure, times), 0),
    );
    return logMean(past) + logMean(present);
  };
  const counted = Math.log((before.errors + 0.5) / (before.controlErrors + 0.5));
  const quick = at(pooled(before, looks));
  if (quick < enough) return quick;

  let lowest = { logOdds: counted, value: at(counted) };
  for (let logOdds = counted - searched.below; logOdds <= counted + searched.above; logOdds += searched.step) {
    const value = at(logOdds);
    if (value < lowest.value) lowest = { logOdds, value };
  }
  return Math.min(quick, refined(at, lowest.logOdds));
}

/** The odds that fit before and now alike, near which the smallest evidence lies. */
function pooled(before: ErrorPair, looks: readonly LookErrors[]): number {
  const errors = looks.reduce((sum, look) => sum + look.errors, before.errors);
  const others = looks.reduce((sum, look) => sum + look.controlErrors * look.exposure, before.controlErrors);
  return Math.log((errors + 0.5) / (others + 0.5));
}

/** The smallest value within one step of `around`, by ternary search. */
function refined(at: (x: number) => number, around: number): number {
  let low = around - searched.step;
  let high = around + searched.step;
  for (let n = 0; n < searched.refinements; n += 1) {
    const third = (high - low) / 3;
    if (at(low + third) < at(high - third)) high -= third;
    else low += third;
  }
  return at((low + high) / 2);
}

/** Of odds `times` as high against `odds`. */
function logRatio({ errors, controlErrors }: ErrorPair, odds: number, times: number): number {
  return errors * Math.log(times) + (errors + controlErrors) * (Math.log1p(odds) - Math.log1p(times * odds));
}

function logMean(logs: readonly number[]): number {
  const most = Math.max(...logs);
  return most + Math.log(logs.reduce((sum, log) => sum + Math.exp(log - most), 0) / logs.length);
}
