import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { BeforeDeploy, Look } from "../../../common/contracts/bake.ts";
import { cellId, releaseName, type CellId } from "../../../common/ids.ts";
import type { BakeSamples } from "../../../control-plane/rollout/bake-samples.ts";
import { judge } from "../../../control-plane/rollout/judge.ts";
import {
  addErrors,
  evidenceOf,
  judgeRelative,
  nothingSeen,
  ownRates,
  ratioOf,
  type ErrorCount,
} from "../../../control-plane/rollout/judge-relative.ts";
import { judgingOf } from "../../../control-plane/rollout/judging.ts";
import { policyWith } from "../../../control-plane/rollout/policy.ts";
import { counter } from "./fixtures.ts";
import { binomial, generator, type Random } from "./random.ts";

// The setting of the promise: one canary, nine control cells, 20 requests/s each, base error rate 0.1 %, an hour before the deploy known.
const canary = cellId("cell-1");
const controls = Array.from({ length: 9 }, (_, n) => cellId(`cell-${n + 2}`));
const requestsPerSecond = 20;
const base = 0.001;
const hour = 3_600;
const lookEvery = 10;
const policy = policyWith({});
const judging = judgingOf(policy);
const release = releaseName("pulse@2");

/** A cell's error rate at a second of the bake. */
type Rate = (cell: CellId, second: number) => number;

interface Setting {
  /** Error rates before the deploy. */
  readonly before: (cell: CellId) => number;
  readonly during: Rate;
  readonly seconds: number;
  /** What the test is told of before; by default what was counted. */
  readonly told?: (known: readonly BeforeDeploy[]) => readonly BeforeDeploy[];
}

const requestsIn = (seconds: number): number => requestsPerSecond * seconds;

function anHourBefore(random: Random, rate: (cell: CellId) => number): BeforeDeploy[] {
  return [canary, ...controls].map((cell) => {
    const requests = requestsIn(hour);
    return { cell, seconds: hour, requests, errors: binomial(random, requests, rate(cell)), latency: [] };
  });
}

/** One bake. @returns the second at which the canary was failed, null where it never was. */
function failedAt(random: Random, { before, during, seconds, told = (known) => known }: Setting): number | null {
  const known = told(anHourBefore(random, before));
  const own = ownRates(canary, controls, known);
  if (own === null) throw new Error("an hour of before says enough");
  const threshold = Math.log(1 / judging.falseFail);
  const requests = requestsIn(lookEvery);
  const count = (cell: CellId, second: number): ErrorCount => ({
    requests,
    errors: binomial(random, requests, during(cell, second)),
  });
  let comparing = nothingSeen;
  for (let second = lookEvery; second <= seconds; second += lookEvery) {
    const others = new Map(controls.map((cell) => [cell, count(cell, second)]));
    comparing = addErrors(comparing, own, count(canary, second), others);
    if (ratioOf(comparing) >= judging.leastRatio && evidenceOf(comparing, own, threshold) >= threshold) return second;
  }
  return null;
}

/** Share of trials failed within each number of seconds, and a line that shows it. */
function curve(name: string, trials: number, at: readonly number[], setting: Setting): readonly number[] {
  const random = generator(20_261_122);
  const ends = Array.from({ length: trials }, () => failedAt(random, setting) ?? Infinity);
  const shares = at.map((second) => ends.filter((end) => end <= second).length / trials);
  const points = at.map(
    (second, n) => `${second < 120 ? `${second} s` : `${second / 60} min`} ${((shares[n] ?? 0) * 100).toFixed(2)} %`,
  );
  process.stdout.write(`failed, ${name} (${trials} bakes): ${points.join(" · ")}\n`);
  return shares;
}

const minutes = (...list: number[]): number[] => list.map((minute) => minute * 60);
const thrice: Rate = (cell) => (cell === canary ? 3 * base : base);
const overAnHour = minutes(1, 5, 10, 20, 30, 45, 60);
const withinFive = [10, 20, 30, 45, 60, 90, 120, 180, 240, 300];

describe("the rates of the relative test, by simulation", () => {
  it("a healthy canary whose tenants run 3× the base rate is failed in at most 1 % of bakes, looked at every 10 s", () => {
    const shares = curve("healthy, 3× the base rate", 3_000, overAnHour, {
      before: (cell) => thrice(cell, 0),
      during: thrice,
      seconds: hour,
    });
    assert.ok((shares.at(-1) ?? 1) <= 0.01, `${shares.at(-1)}`);
  });

  it("without the cell's own rate before, it would be failed nearly always", () => {
    const shares = curve("healthy, 3× the base rate, not adjusted", 200, overAnHour, {
      before: () => base,
      during: thrice,
      seconds: hour,
    });
    assert.ok((shares.at(-1) ?? 0) >= 0.95, `${shares.at(-1)}`);
  });

  for (const [name, before] of [
    ["0.1 %", (): number => base],
    ["0.3 %", (cell: CellId): number => thrice(cell, 0)],
  ] as const) {
    it(`a rise from ${name} to 2 % is found within 5 minutes in at least 99 % of bakes`, () => {
      const shares = curve(`risen from ${name} to 2 %`, 2_000, withinFive, {
        before,
        during: (cell) => (cell === canary ? 0.02 : base),
        seconds: 300,
      });
      assert.ok((shares.at(-1) ?? 0) >= 0.99, `${shares.at(-1)}`);
    });
  }

  it("a rise that all cells share, by ten for ten minutes, is nobody's fault", () => {
    const shares = curve("all cells ten times worse for ten minutes", 500, overAnHour, {
      before: (cell) => thrice(cell, 0),
      during: (cell, second) => thrice(cell, second) * (second > 900 && second <= 1_500 ? 10 : 1),
      seconds: hour,
    });
    assert.ok((shares.at(-1) ?? 1) <= 0.01, `${shares.at(-1)}`);
  });

  it("a doubling is found in an hour in about four bakes of five", () => {
    const shares = curve("doubled, from 0.1 %", 1_000, overAnHour, {
      before: () => base,
      during: (cell) => (cell === canary ? 2 * base : base),
      seconds: hour,
    });
    assert.ok((shares.at(-1) ?? 0) >= 0.75, `${shares.at(-1)}`);
  });
});

describe("the relative gate", () => {
  const before = (cell: CellId, errors: number): BeforeDeploy => ({
    cell,
    seconds: hour,
    requests: 72_000,
    errors,
    latency: [],
  });
  const known = [before(canary, 72), ...controls.map((cell) => before(cell, 72))];
  const comparison = { controls: [...controls], before: known, powerless: [] };
  const look = (seconds: number, canaryErrors: number, controlErrors = 0): Look => ({
    seconds,
    checks: [],
    counters: [
      counter({ cell: canary, release, requests: 1_200, errors: canaryErrors }),
      ...controls.map((cell, n) =>
        counter({ cell, release: releaseName("pulse@1"), requests: 1_200, errors: n === 0 ? controlErrors : 1 }),
      ),
    ],
    sources: ["router-1"],
    missing: [],
    stale: [],
    error: null,
  });
  const samples = (looks: Look[], overrides: Partial<BakeSamples> = {}): BakeSamples => ({
    cells: [{ cell: canary, release }],
    checks: [{ cell: canary, answered: true, ready: true, release, problems: [] }],
    counters: looks.flatMap(({ counters }) => counters),
    sources: ["router-1"],
    missing: [],
    over: false,
    looks,
    comparison,
    ...overrides,
  });

  it("fails a canary early that has many times its own errors, though far below the objective", () => {
    const verdict = judge(samples([look(60, 9, 1), look(120, 9, 1), look(180, 9, 1)]), policy);
    assert.deepEqual([verdict.verdict, verdict.gate, verdict.traffic], ["FAIL", "relative", "real"]);
    assert.match(verdict.reason, /cell-1: [5-9]\.\d times the errors of before the deploy, compared with 9 cells/);
    assert.ok((verdict.numbers["evidence"] ?? 0) >= (verdict.thresholds["evidence"] ?? Infinity));
  });

  it("does not fail one with the errors that it always had", () => {
    assert.equal(judgeRelative(samples([look(60, 1, 1), look(120, 2, 1)]), policy).outcome, "pass");
  });

  it("goes by the traffic that there is: thrice the customers may have thrice the errors, a third may not have as many", () => {
    const busy = (requests: number, errors: number): BakeSamples => {
      const looks = Array.from({ length: 40 }, (_, n) => look(60 * (n + 1), errors, 1));
      return samples(
        looks.map((one) => ({
          ...one,
          counters: one.counters.map((count) => (count.cell === canary ? { ...count, requests } : count)),
        })),
      );
    };
    assert.equal(judgeRelative(busy(3_600, 4), policy).outcome, "pass");
    assert.equal(judgeRelative(busy(400, 1), policy).outcome, "fail");
  });

  it("asks a higher evidence of each of many cells, so that the whole wave stays within the bound", () => {
    const many = Array.from({ length: 50 }, (_, n) => ({ cell: n === 0 ? canary : cellId(`other-${n}`), release }));
    const one = judgeRelative(samples([look(60, 1)]), policy).thresholds["evidence"] ?? 0;
    const fifty = judgeRelative(samples([look(60, 1)], { cells: many }), policy).thresholds["evidence"] ?? 0;
    assert.ok(Math.abs(fifty - one - Math.log(50)) < 0.01);
  });

  const silent: readonly [name: string, changes: Partial<BakeSamples>, reason: RegExp][] = [
    ["there is no time before", { comparison: null }, /nothing is known of the time before/],
    ["no cell is left to compare with", { comparison: { ...comparison, controls: [] } }, /no cell is left/],
    [
      "planning found too little power",
      { comparison: { ...comparison, powerless: [{ cell: canary, reason: "sees 2.0 requests/s" }] } },
      /cell-1: sees 2.0 requests\/s/,
    ],
    [
      "the canary was never asked anything before",
      { comparison: { ...comparison, before: known.slice(1) } },
      /too little is known/,
    ],
    [
      "no control ever erred",
      { comparison: { ...comparison, before: [before(canary, 3), ...controls.map((cell) => before(cell, 0))] } },
      /too little is known/,
    ],
  ];
  for (const [name, changes, reason] of silent) {
    it(`is not applicable when ${name}, and says so`, () => {
      const finding = judgeRelative(samples([look(60, 30)], changes), policy);
      assert.equal(finding.outcome, "not-applicable");
      assert.match(finding.reason, reason);
    });
  }

  it("counts customers alone", () => {
    const synthetic = look(60, 0);
    const counters = synthetic.counters.map((one) => ({ ...one, synthetic: true, errors: 500 }));
    const { numbers } = judgeRelative(samples([{ ...synthetic, counters }]), policy);
    assert.equal(numbers["errors"], 0);
  });

  it("is the same however the controls are ordered, and never fails a canary without errors", () => {
    const errors = fc.array(fc.nat(20), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(errors, errors, (mine, theirs) => {
        const looks = mine.map((count, n) => look(60 * (n + 1), count, theirs[n % theirs.length] ?? 0));
        const turned = { ...comparison, controls: controls.toReversed(), before: known.toReversed() };
        const straight = judgeRelative(samples(looks), policy);
        const other = judgeRelative(samples(looks, { comparison: turned }), policy);
        assert.equal(other.outcome, straight.outcome);
        assert.ok(Math.abs((other.numbers["evidence"] ?? 0) - (straight.numbers["evidence"] ?? 0)) < 0.01);
        const none = mine.map((_, n) => look(60 * (n + 1), 0, theirs[n % theirs.length] ?? 0));
        assert.equal(judgeRelative(samples(none), policy).outcome, "pass");
      }),
      { numRuns: 100 },
    );
  });
});
