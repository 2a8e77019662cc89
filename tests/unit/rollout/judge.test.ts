import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { cellId, releaseName } from "../../../common/ids.ts";
import type { CellCheck } from "../../../common/contracts/bake.ts";
import type { BakeSamples } from "../../../control-plane/rollout/bake-samples.ts";
import { judge } from "../../../control-plane/rollout/judge.ts";
import { samplesNeeded } from "../../../control-plane/rollout/synthetic-load.ts";
import { defaultRolloutPolicy } from "../../../control-plane/rollout/policy.ts";
import { counter } from "./fixtures.ts";

const policy = defaultRolloutPolicy;
const cell = cellId("cell-1");
const release = releaseName("pulse@2");
const good: CellCheck = { cell, answered: true, ready: true, release, problems: [] };
const silent: CellCheck = { cell, answered: false, ready: false, release: null, problems: [] };
const unready: CellCheck = { ...good, ready: false, problems: ["database-down"] };
const wrongVersion: CellCheck = { ...good, release: releaseName("pulse@1") };

const samples = (overrides: Partial<BakeSamples> = {}): BakeSamples => ({
  cells: [{ cell, release }],
  checks: [good, good],
  counters: [counter()],
  sources: ["router-1"],
  missing: [],
  over: true,
  ...overrides,
});

const cases: readonly { name: string; samples: Partial<BakeSamples>; expected: string; reason?: RegExp }[] = [
  { name: "enough good real traffic passes", samples: {}, expected: "PASS absolute real" },
  {
    name: "enough good synthetic traffic passes an idle cell",
    samples: { counters: [counter({ synthetic: true })] },
    expected: "PASS absolute synthetic",
  },
  {
    name: "zero samples never pass (I11)",
    samples: { counters: [] },
    expected: "INCONCLUSIVE absolute none",
    reason: /too few samples of cell-1/,
  },
  {
    name: "no cells never pass",
    samples: { cells: [], checks: [], counters: [] },
    expected: "INCONCLUSIVE absolute none",
  },
  {
    name: "too few samples are inconclusive",
    samples: { counters: [counter({ requests: 99 })] },
    expected: "INCONCLUSIVE absolute none",
  },
  {
    name: "99 real and 99 synthetic are not added up",
    samples: { counters: [counter({ requests: 99 }), counter({ requests: 99, synthetic: true })] },
    expected: "INCONCLUSIVE absolute none",
  },
  {
    name: "answers of the old release count for nothing",
    samples: { counters: [counter({ release: releaseName("pulse@1") })] },
    expected: "INCONCLUSIVE absolute none",
  },
  {
    name: "the allowed share of errors passes",
    samples: { counters: [counter({ errors: 1 })] },
    expected: "PASS absolute real",
  },
  {
    name: "more errors than allowed fail",
    samples: { counters: [counter({ errors: 2 })] },
    expected: "FAIL absolute real",
    reason: /cell-1, real traffic: 2.00 % of 100 requests failed; allowed are 1.00 %/,
  },
  {
    name: "bad synthetic traffic fails beside good real traffic",
    samples: { counters: [counter({ requests: 5_000 }), counter({ synthetic: true, errors: 20 })] },
    expected: "FAIL absolute synthetic",
  },
  {
    name: "bad real traffic, though little, fails beside good synthetic traffic",
    samples: { counters: [counter({ requests: 12, errors: 6 }), counter({ synthetic: true, requests: 500 })] },
    expected: "FAIL absolute real",
  },
  {
    name: "requests that nobody answered count against the cell",
    samples: { counters: [counter({ requests: 500 }), counter({ release: null, requests: 50, errors: 50 })] },
    expected: "FAIL absolute real",
  },
  {
    name: "a p99 above the objective fails",
    samples: { counters: [counter({ latencyMs: 1_400 })] },
    expected: "FAIL absolute real",
    reason: /p99 is 14\d\d ms/,
  },
  {
    name: "latencies beyond the histogram fail",
    samples: { counters: [counter({ latencyMs: 60_000 })] },
    expected: "FAIL absolute real",
    reason: /10000 ms or more/,
  },
  {
    name: "a slow hundredth is allowed",
    samples: { counters: [counter({ requests: 99 }), counter({ requests: 1, latencyMs: 5_000 })] },
    expected: "PASS absolute real",
  },
  {
    name: "a router that was not heard leaves it open",
    samples: { missing: ["router-2"] },
    expected: "INCONCLUSIVE coverage none",
    reason: /not heard: router-2/,
  },
  {
    name: "one bad cell of two fails the wave",
    samples: {
      cells: [
        { cell, release },
        { cell: cellId("cell-2"), release },
      ],
      checks: [good, { ...good, cell: cellId("cell-2") }],
      counters: [counter({ requests: 10_000 }), counter({ cell: cellId("cell-2"), errors: 50 })],
    },
    expected: "FAIL absolute real",
    reason: /cell-2/,
  },
  {
    name: "one cell of two without samples leaves the wave open",
    samples: {
      cells: [
        { cell, release },
        { cell: cellId("cell-2"), release },
      ],
      checks: [good, { ...good, cell: cellId("cell-2") }],
    },
    expected: "INCONCLUSIVE absolute none",
    reason: /cell-2/,
  },
  {
    name: "three silent checks in a row fail",
    samples: { checks: [good, silent, silent, silent] },
    expected: "FAIL hard none",
    reason: /does not answer/,
  },
  {
    name: "three checks with the wrong version fail",
    samples: { checks: [wrongVersion, wrongVersion, wrongVersion] },
    expected: "FAIL hard none",
    reason: /runs pulse@1 instead of pulse@2/,
  },
  {
    name: "three unready checks fail, whatever the traffic",
    samples: { checks: [unready, unready, unready] },
    expected: "FAIL hard none",
    reason: /database-down/,
  },
  {
    name: "failures of different kinds count together",
    samples: { checks: [silent, unready, wrongVersion] },
    expected: "FAIL hard none",
  },
  {
    name: "failures with a good check between do not fail",
    samples: { checks: [silent, silent, good, silent, silent, good] },
    expected: "PASS absolute real",
  },
  {
    name: "a last check that failed leaves it open",
    samples: { checks: [good, silent] },
    expected: "INCONCLUSIVE hard none",
  },
  {
    name: "a cell that was never checked leaves it open",
    samples: { checks: [] },
    expected: "INCONCLUSIVE hard none",
    reason: /never checked/,
  },
];

describe("judging a wave at the end of its bake", () => {
  for (const { name, samples: given, expected, reason } of cases) {
    it(name, () => {
      const verdict = judge(samples(given), policy);
      assert.equal(`${verdict.verdict} ${verdict.gate} ${verdict.traffic}`, expected);
      if (reason !== undefined) assert.match(verdict.reason, reason);
    });
  }

  it("keeps what it takes to make the verdict again", () => {
    const verdict = judge(samples({ counters: [counter({ requests: 200, errors: 30 })] }), policy);
    assert.deepEqual(verdict.thresholds, {
      successObjective: 0.99,
      p99ObjectiveMs: 1_000,
      minimumSamples: 100,
      badRequestsToStop: 5,
    });
    assert.deepEqual(verdict.numbers, { requests: 200, errors: 30, successRate: 0.85, slow: 0, p99Ms: 10 });
    assert.deepEqual([verdict.sources, verdict.missing], [["router-1"], []]);
    assert.match(verdict.formula, /^FAIL if errors/);
  });
});

describe("judging a wave in mid-bake", () => {
  const early = (given: Partial<BakeSamples>) => judge(samples({ ...given, over: false }), policy);

  it("passes nothing, however good", () => {
    assert.deepEqual([early({}).verdict, early({}).reason], ["INCONCLUSIVE", "the bake is not over"]);
  });

  it("fails as soon as the errors are enough", () => {
    assert.equal(early({ counters: [counter({ requests: 20, errors: 5 })] }).verdict, "FAIL");
    assert.equal(early({ checks: [silent, silent, silent], counters: [] }).verdict, "FAIL");
    assert.equal(early({ counters: [counter({ requests: 20, latencyMs: 5_000 })] }).verdict, "FAIL");
  });

  it("does not fail for a few errors that good requests may yet outweigh", () => {
    assert.equal(early({ counters: [counter({ requests: 20, errors: 4 })] }).verdict, "INCONCLUSIVE");
    assert.equal(early({ checks: [silent, silent] }).verdict, "INCONCLUSIVE");
    assert.equal(early({ counters: [counter({ requests: 4, latencyMs: 5_000 })] }).verdict, "INCONCLUSIVE");
  });
});

describe("verdicts, whatever the samples", () => {
  const counters = fc.array(
    fc
      .record({
        synthetic: fc.boolean(),
        requests: fc.nat(300),
        bad: fc.double({ min: 0, max: 1, noNaN: true }),
        latencyMs: fc.integer({ min: 1, max: 20_000 }),
      })
      .map(({ bad, requests, ...rest }) => counter({ ...rest, requests, errors: Math.floor(bad * requests) })),
    { maxLength: 4 },
  );
  const checks = fc.array(fc.constantFrom(good, silent, unready, wrongVersion), { maxLength: 6 });

  it("pass only with enough samples of one traffic, all objectives met and the last check good", () => {
    fc.assert(
      fc.property(counters, checks, fc.boolean(), (list, made, over) => {
        const given = samples({ counters: list, checks: made, over });
        if (judge(given, policy).verdict !== "PASS") return;
        const requests = (synthetic: boolean): number =>
          list.filter((one) => one.synthetic === synthetic).reduce((sum, one) => sum + one.requests, 0);
        assert.ok(over && made.at(-1) === good);
        assert.ok(Math.max(requests(true), requests(false)) >= policy.minimumSamples);
      }),
      { numRuns: 500 },
    );
  });

  it("are never inconclusive once the samples that were asked for have come in", () => {
    fc.assert(
      fc.property(counters, (list) => {
        const before = samples({ counters: list });
        const added = samplesNeeded(before, policy, 1).map(({ requests }) => counter({ synthetic: true, requests }));
        assert.notEqual(judge(samples({ counters: [...list, ...added] }), policy).verdict, "INCONCLUSIVE");
      }),
      { numRuns: 500 },
    );
  });
});

describe("synthetic load", () => {
  it("is spread over the bake and only makes up what real traffic lacks", () => {
    const idle = samples({ counters: [] });
    assert.deepEqual(samplesNeeded(idle, policy, 0.25), [{ cell, requests: 25 }]);
    assert.deepEqual(samplesNeeded(samples({ counters: [counter({ synthetic: true, requests: 20 })] }), policy, 0.25), [
      { cell, requests: 5 },
    ]);
    assert.deepEqual(samplesNeeded(samples({ counters: [counter({ requests: 60 })] }), policy, 0.5), []);
    assert.deepEqual(samplesNeeded(samples({ counters: [counter({ requests: 60 })] }), policy, 1), [
      { cell, requests: 100 },
    ]);
    assert.deepEqual(samplesNeeded(samples(), policy, 1), []);
  });
});
