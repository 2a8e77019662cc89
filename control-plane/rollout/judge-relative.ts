import type { BeforeDeploy, Look } from "../../common/contracts/bake.ts";
import type { GateFinding } from "../../common/contracts/rollout.ts";
import type { RolloutPolicy } from "../../common/contracts/rollout-policy.ts";
import type { CellId, ReleaseName } from "../../common/ids.ts";
import type { BakeSamples } from "./bake-samples.ts";
import { gateFinding, type Found } from "./finding.ts";
import { judgingOf } from "./judging.ts";
import { logEvidence, type LookErrors } from "./odds-test.ts";
import { customersOf } from "./traffic-counts.ts";

/** Requests and errors of customers. */
export interface ErrorCount {
  readonly requests: number;
  readonly errors: number;
}

/** What the time before the deploy says about a cell and those it is compared with. */
export interface OwnRates {
  readonly before: ErrorCount;
  /** Errors a request, of each control cell. */
  readonly controlRates: ReadonlyMap<CellId, number>;
  readonly controlErrorsBefore: number;
}

/** What was seen so far. */
export interface Comparing {
  readonly looks: readonly LookErrors[];
  readonly errors: number;
  /** Errors of the cell, and of the controls, at their own rates of before. */
  readonly expected: number;
  readonly controlErrors: number;
  readonly controlExpected: number;
}

export const nothingSeen: Comparing = { looks: [], errors: 0, expected: 0, controlErrors: 0, controlExpected: 0 };

/**
 * The cell's and the controls' own rates; null where the time before says too little: a cell that nobody asked anything, or controls
 * without a single error.
 */
export function ownRates(cell: CellId, controls: readonly CellId[], before: readonly BeforeDeploy[]): OwnRates | null {
  const own = before.find((known) => known.cell === cell);
  const known = before.filter((other) => controls.includes(other.cell) && other.requests > 0);
  const controlErrorsBefore = known.reduce((sum, { errors }) => sum + errors, 0);
  if (own === undefined || own.requests === 0 || controlErrorsBefore === 0) return null;
  const controlRates = new Map(known.map(({ cell: id, errors, requests }) => [id, errors / requests]));
  return { before: own, controlRates, controlErrorsBefore };
}

/**
 * Adds a look. The odds that an error is the cell's are those of before, times how its traffic has grown since, over how that of the controls
 * has, each control weighed by its own rate: that is the adjustment without which a cell whose tenants always had three times the
 * errors would fail.
 */
export function addErrors(
  seen: Comparing,
  own: OwnRates,
  count: ErrorCount,
  controls: ReadonlyMap<CellId, ErrorCount>,
): Comparing {
  let controlExpected = 0;
  let controlErrors = 0;
  for (const [cell, rate] of own.controlRates) {
    const control = controls.get(cell);
    if (control === undefined) continue;
    controlExpected += rate * control.requests;
    controlErrors += control.errors;
  }
  if (controlExpected === 0) return seen;
  const grown = count.requests / own.before.requests;
  const exposure = grown * (own.controlErrorsBefore / controlExpected);
  return {
    looks: merged(seen.looks, { exposure, errors: count.errors, controlErrors }),
    errors: seen.errors + count.errors,
    expected: seen.expected + grown * own.before.errors,
    controlErrors: seen.controlErrors + controlErrors,
    controlExpected: seen.controlExpected + controlExpected,
  };
}

/** Looks of the same exposure are as good as one. */
function merged(looks: readonly LookErrors[], look: LookErrors): readonly LookErrors[] {
  const last = looks.at(-1);
  if (last === undefined || last.exposure !== look.exposure) return [...looks, look];
  const sum = { errors: last.errors + look.errors, controlErrors: last.controlErrors + look.controlErrors };
  return [...looks.slice(0, -1), { ...look, ...sum }];
}

/** What speaks for a rise, as a logarithm (odds-test.ts); below `enough` it may be too high. */
export function evidenceOf(seen: Comparing, own: OwnRates, enough?: number): number {
  return logEvidence({ errors: own.before.errors, controlErrors: own.controlErrorsBefore }, seen.looks, enough);
}

/** Errors of the cell over what they would be at its own rate of before, had it shared what befell the controls. */
export function ratioOf(seen: Comparing): number {
  const shift = (seen.controlErrors + half) / (seen.controlExpected + half);
  return (seen.errors + half) / (seen.expected * shift + half);
}

// Half an error more on either side keeps the ratio of small counts finite and nearly unbiased (J. B. S. Haldane 1956, F. J. Anscombe 1956).
const half = 0.5;

const formula =
  "FAIL if evidence ≥ ln(cells / falseFail) and ratio ≥ leastRatio; evidence = min over ω of ln(e-value of the counts before against odds ω × mixed likelihood ratio " +
  "of higher odds than ω now) that an error is this cell's and not a control's; ratio = errors / (expected × controlErrors / controlExpected)";

/**
 * The relative gate: customers' errors of each cell of the wave against the control cells, both against their own rates before the deploy, by an
 * any-time-valid sequential test (odds-test.ts). `falseFail` is divided by the cells of the wave (C. E. Bonferroni 1936): a healthy wave is failed with at
 * most that probability over its whole bake, however often it is judged. `leastRatio` keeps what is sure but small from failing.
 */
export function judgeRelative(samples: BakeSamples, policy: RolloutPolicy): GateFinding {
  const judging = judgingOf(policy);
  const { comparison, cells } = samples;
  const threshold = Math.log(cells.length / judging.falseFail);
  const thresholds = { falseFail: judging.falseFail, leastRatio: judging.leastRatio, evidence: rounded(threshold) };
  const nothing = (reason: string): GateFinding =>
    gateFinding("relative", formula, thresholds, [{ outcome: "not-applicable", traffic: "none", reason, numbers: {} }]);
  if (comparison === undefined || comparison === null) return nothing("nothing is known of the time before the deploy");
  if (comparison.controls.length === 0) return nothing("no cell is left on the old release to compare with");

  const found = cells.map(({ cell, release }): Found => {
    const open = (reason: string): Found => ({ outcome: "not-applicable", traffic: "real", reason, numbers: {} });
    const powerless = comparison.powerless.find((one) => one.cell === cell);
    if (powerless !== undefined) return open(`${cell}: ${powerless.reason}`);
    const own = ownRates(cell, comparison.controls, comparison.before);
    if (own === null) return open(`${cell}: too little is known of the time before the deploy`);
    const seen = follow(cell, release, own, samples.looks ?? []);
    const [evidence, ratio] = [evidenceOf(seen, own), ratioOf(seen)];
    const failed = evidence >= threshold && ratio >= judging.leastRatio;
    const times = `${ratio.toFixed(1)} times the errors of before the deploy, compared with ${own.controlRates.size} cells`;
    return {
      outcome: failed ? "fail" : "pass",
      traffic: "real",
      reason: failed ? `${cell}: ${times}` : `${cell}: no more errors than its own rate and the other cells explain`,
      numbers: {
        evidence: rounded(evidence),
        ratio: rounded(ratio),
        errors: seen.errors,
        expected: rounded(seen.expected),
        controlErrors: seen.controlErrors,
        controlExpected: rounded(seen.controlExpected),
        errorsBefore: own.before.errors,
        requestsBefore: own.before.requests,
      },
    };
  });
  return gateFinding("relative", formula, thresholds, found);
}

function follow(cell: CellId, release: ReleaseName, own: OwnRates, looks: readonly Look[]): Comparing {
  return looks.reduce((seen, look) => {
    const controls = new Map([...own.controlRates.keys()].map((id) => [id, customersOf(look, id, null)]));
    return addErrors(seen, own, customersOf(look, cell, release), controls);
  }, nothingSeen);
}

function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
