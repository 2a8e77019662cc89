import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { BeforeDeploy, CellCheck, Look } from "../../../common/contracts/bake.ts";
import type { Gate } from "../../../common/contracts/rollout.ts";
import type { SampleCounter, Samples } from "../../../common/contracts/samples.ts";
import { cellId, releaseName } from "../../../common/ids.ts";
import type { BakeSamples } from "../../../control-plane/rollout/bake-samples.ts";
import { judge } from "../../../control-plane/rollout/judge.ts";
import { lookOf, samplesOf } from "../../../control-plane/rollout/looks.ts";
import { policyWith } from "../../../control-plane/rollout/policy.ts";
import { counter } from "./fixtures.ts";

const cell = cellId("cell-1");
const control = cellId("cell-2");
const release = releaseName("pulse@2");
const old = releaseName("pulse@1");
const policy = policyWith({ timeScale: 1 });
const good: CellCheck = { cell, answered: true, ready: true, release, problems: [] };

const look = (seconds: number, counters: SampleCounter[] = [], changes: Partial<Look> = {}): Look => ({
  seconds,
  checks: [good],
  counters,
  sources: ["router-1"],
  missing: [],
  stale: [],
  error: null,
  ...changes,
});
const cutOff = (seconds: number): Look =>
  look(seconds, [], { checks: [], sources: [], error: "the registry does not answer" });

/** The samples of a watch with these looks. */
function samples(looks: Look[], overrides: Partial<BakeSamples> = {}): BakeSamples {
  const watch = {
    wave: 1,
    number: 1,
    purpose: "bake" as const,
    beganAt: "2026-01-01T00:00:00.000Z",
    cells: [{ cell, release }],
    comparison: null,
    earlier: [],
    looks,
  };
  return { ...samplesOf(watch, true), ...overrides };
}

const every = (count: number, seconds: number, make: (n: number) => SampleCounter[]): Look[] =>
  Array.from({ length: count }, (_, n) => look((n + 1) * seconds, make(n)));
const ours = (requests: number, changes: Parameters<typeof counter>[0] = {}): SampleCounter =>
  counter({ cell, release, requests, ...changes });
const theirs = (requests: number, changes: Parameters<typeof counter>[0] = {}): SampleCounter =>
  counter({ cell: control, release: old, requests, ...changes });

function outcome(given: BakeSamples, gate: Gate): string {
  return judge(given, policy).gates?.find((finding) => finding.gate === gate)?.outcome ?? "missing";
}

describe("coverage: what the samples themselves are worth", () => {
  const fine = every(5, 60, () => [ours(100)]);

  it("passes when everybody was heard", () => assert.equal(judge(samples(fine), policy).verdict, "PASS"));

  it("a tool that fails is tried again; five times in a row, and a person is asked at once", () => {
    const errors = (count: number): Look[] => Array.from({ length: count }, (_, n) => cutOff(300 + n));
    for (const [count, expected, urgent] of [
      [1, "open", undefined],
      [4, "open", undefined],
      [5, "decide", true],
    ] as const) {
      const verdict = judge(samples([...fine, ...errors(count)], { over: false }), policy);
      assert.equal(outcome(samples([...fine, ...errors(count)]), "coverage"), expected);
      assert.deepEqual([verdict.verdict, verdict.urgent], ["INCONCLUSIVE", urgent]);
    }
    assert.match(judge(samples([...fine, ...errors(5)]), policy).reason, /5 looks in a row .*registry does not answer/);
    assert.equal(judge(samples([...errors(4), ...fine]), policy).verdict, "PASS", "what is over is over");
  });

  it("is never blamed on the release: a watcher that reaches nobody has not seen a cell fail", () => {
    const silent: CellCheck = { cell, answered: false, ready: false, release: null, problems: [] };
    const seen = { checks: [silent], readings: [], missing: ["router-1"], error: null };
    const { look: made } = lookOf(seen, {}, { seconds: 10, now: 0 }, 30);
    assert.deepEqual([made.checks, made.error], [[], "neither a router nor a cell answered"]);
    assert.equal(outcome(samples([made, made, made]), "hard"), "open");
    const heard = lookOf({ ...seen, readings: [reading("router-1", 0, 10)] }, {}, { seconds: 10, now: 0 }, 30).look;
    assert.equal(
      outcome(samples([heard, heard, heard]), "hard"),
      "fail",
      "but where a router answers, the cell is ill",
    );
  });

  it("a router that was not heard, and one with old readings only, leave it open", () => {
    for (const changes of [{ missing: ["router-2"] }, { stale: ["router-2"] }]) {
      const verdict = judge(samples([...fine, look(360, [], changes)]), policy);
      assert.deepEqual([verdict.verdict, verdict.gate], ["INCONCLUSIVE", "coverage"]);
      assert.match(verdict.reason, /router-2/);
    }
  });
});

function reading(source: string, at: number, requests: number, instance = "one"): Samples {
  return { source, instance, at: new Date(at).toISOString(), counters: [ours(requests)] };
}

describe("a look", () => {
  const seen = (...readings: Samples[]) => ({ checks: [good], readings, missing: [], error: null });

  it("counts what happened since the look before, and nothing in the first", () => {
    const first = lookOf(seen(reading("router-1", 0, 500)), {}, { seconds: 0, now: 0 }, 30);
    assert.deepEqual(first.look.counters, []);
    const second = lookOf(seen(reading("router-1", 10_000, 530)), first.last, { seconds: 10, now: 10_000 }, 30);
    assert.equal(second.look.counters[0]?.requests, 30);
  });

  it("leaves out a reading that is too old, or that repeats itself, and counts it all in the next", () => {
    const first = lookOf(seen(reading("router-1", 0, 500)), {}, { seconds: 0, now: 0 }, 30);
    for (const [at, now] of [
      [0, 5_000],
      [1, 40_000],
    ] as const) {
      const stale = lookOf(seen(reading("router-1", at, 520)), first.last, { seconds: 10, now }, 30);
      assert.deepEqual([stale.look.stale, stale.look.sources, stale.look.counters], [["router-1"], [], []]);
      const next = lookOf(seen(reading("router-1", now, 560)), stale.last, { seconds: 20, now }, 30);
      assert.equal(next.look.counters[0]?.requests, 60);
    }
  });

  it("takes a restarted router's count from zero", () => {
    const first = lookOf(seen(reading("router-1", 0, 500)), {}, { seconds: 0, now: 0 }, 30);
    const second = lookOf(seen(reading("router-1", 9_000, 20, "two")), first.last, { seconds: 10, now: 10_000 }, 30);
    assert.equal(second.look.counters[0]?.requests, 20);
  });
});

describe("burn", () => {
  // One look a minute; 1.44 % is 14.4 times the budget of three nines, 0.6 % six times.
  const minutes = (count: number, errors: (minute: number) => number, synthetic = false): BakeSamples =>
    samples(
      every(count, 60, (n) => [ours(1_000, { errors: errors(n), synthetic }), ...(synthetic ? [ours(1_000)] : [])]),
      { over: false },
    );
  const cases: readonly [name: string, given: BakeSamples, expected: string][] = [
    ["an even pace passes", minutes(60, () => 1), "pass"],
    ["over 14.4 times, long and short, fails", minutes(60, () => 16), "fail"],
    ["so does synthetic traffic", minutes(60, () => 16, true), "fail"],
    ["what was bad and is good again does not fail", minutes(60, (n) => (n < 50 ? 18 : 0)), "decide"],
    ["what has just begun does not fail", minutes(60, (n) => (n < 58 ? 0 : 40)), "pass"],
    ["over six times a person decides", minutes(60, () => 8), "decide"],
    ["a handful of errors in little traffic is no burn", samples([look(60, [ours(40, { errors: 4 })])]), "pass"],
    ["no traffic is not applicable", samples([look(60)]), "not-applicable"],
  ];
  for (const [name, given, expected] of cases) it(name, () => assert.equal(outcome(given, "burn"), expected));

  it("asks a person at once, not at the end of the bake", () => {
    assert.deepEqual(
      [
        judge(
          minutes(60, () => 8),
          policy,
        ),
      ].map(({ verdict, gate, urgent }) => [verdict, gate, urgent]),
      [["INCONCLUSIVE", "burn", true]],
    );
  });

  it("is shortened as the bakes are", () => {
    const scaled = policyWith({ timeScale: 1 / 60 });
    const given = samples(
      every(60, 1, (n) => [ours(1_000, { errors: n < 58 ? 0 : 40 })]),
      { over: false },
    );
    assert.equal(judge(given, scaled).gates?.find(({ gate }) => gate === "burn")?.outcome, "pass");
    const whole = samples(
      every(60, 1, () => [ours(1_000, { errors: 16 })]),
      { over: false },
    );
    assert.equal(judge(whole, scaled).verdict, "FAIL");
  });
});

const before = (id: typeof cell, requests: number, latencyMs: number): BeforeDeploy => ({
  cell: id,
  seconds: 3_600,
  requests,
  errors: 0,
  latency: counter({ requests, latencyMs }).latency,
});
const comparison = {
  controls: [control],
  before: [before(cell, 36_000, 10), before(control, 36_000, 40)],
  powerless: [],
};

describe("latency", () => {
  /** Twenty minutes at these latencies, at the cell and at the control. */
  const at = (mine: number, other: number, requests = 600): BakeSamples =>
    samples(
      every(20, 60, () => [ours(requests, { latencyMs: mine }), theirs(requests, { latencyMs: other })]),
      { comparison },
    );
  const cases: readonly [name: string, given: BakeSamples, expected: string][] = [
    ["as before passes, although the other cell is slower by far", at(10, 40), "pass"],
    ["three times as slow, and a person decides", at(30, 40), "decide"],
    ["slower together is nobody's fault", at(30, 120), "pass"],
    ["faster passes", at(3, 40), "pass"],
    ["too few requests is not applicable", at(30, 40, 5), "not-applicable"],
    ["without a time before it is not applicable", { ...at(30, 40), comparison: null }, "not-applicable"],
    ["in mid-bake it is not asked", { ...at(30, 40), over: false }, "not-applicable"],
  ];
  for (const [name, given, expected] of cases) it(name, () => assert.equal(outcome(given, "latency"), expected));

  it("never fails by itself", () => {
    const verdict = judge(at(30, 40), policy);
    assert.deepEqual([verdict.verdict, verdict.gate], ["INCONCLUSIVE", "latency"]);
    assert.match(verdict.reason, /cell-1: customers wait [23]\.\d\d times as long/);
  });
});

describe("saturation", () => {
  const queues = (...list: (readonly [oldest: number, dead: number])[]): BakeSamples =>
    samples(
      list.map(([oldestSeconds, dead], n) =>
        look((n + 1) * 60, [ours(200)], { checks: [{ ...good, queue: { oldestSeconds, dead } }] }),
      ),
    );
  const cases: readonly [name: string, given: BakeSamples, expected: string][] = [
    ["a queue that keeps up passes", queues([0, 2], [3, 2], [1, 2]), "pass"],
    ["jobs that wait longer and longer, and a person decides", queues([10, 0], [70, 0], [130, 0], [190, 0]), "decide"],
    ["a queue that is being worked off passes", queues([300, 0], [200, 0], [100, 0]), "pass"],
    ["new dead letters, and a person decides", queues([0, 2], [0, 7]), "decide"],
    ["old dead letters pass", queues([0, 900], [0, 900]), "pass"],
    ["a cell that does not say is not applicable", samples([look(60, [ours(200)])]), "not-applicable"],
  ];
  for (const [name, given, expected] of cases) it(name, () => assert.equal(outcome(given, "saturation"), expected));
});

describe("drop", () => {
  // Before: ten requests a second at both.
  const at = (mine: number, other: number): BakeSamples =>
    samples(
      every(10, 60, () => [ours(mine), theirs(other)]),
      { comparison },
    );
  const cases: readonly [name: string, given: BakeSamples, expected: string][] = [
    ["as many as before pass", at(600, 600), "pass"],
    ["a third of them, and a person decides", at(200, 600), "decide"],
    ["a third everywhere is the night", at(200, 200), "pass"],
    ["twice as many everywhere but here, and a person decides", at(500, 1_200), "decide"],
    ["a cell with little traffic has none to miss", samples([look(5, [ours(0)])], { comparison }), "not-applicable"],
  ];
  for (const [name, given, expected] of cases) it(name, () => assert.equal(outcome(given, "drop"), expected));
});

describe("the order of the gates", () => {
  const burning = every(60, 60, () => [ours(1_000, { errors: 30 })]);

  it("the first FAIL wins, and every gate says what it found", () => {
    const verdict = judge(samples(burning), policy);
    assert.deepEqual([verdict.verdict, verdict.gate], ["FAIL", "absolute"]);
    assert.deepEqual(
      verdict.gates?.map(({ gate, outcome: found }) => `${gate} ${found}`),
      [
        "coverage pass",
        "hard pass",
        "absolute fail",
        "burn fail",
        "relative not-applicable",
        "latency not-applicable",
        "saturation not-applicable",
        "drop not-applicable",
      ],
    );
  });

  it("a FAIL wins over what a person would decide, whoever was not heard", () => {
    const given = samples([...burning, look(3_700, [], { missing: ["router-2"] })]);
    assert.equal(judge(given, policy).verdict, "FAIL");
  });

  it("the same samples under another policy are judged anew, by nothing but themselves", () => {
    const given = samples(every(60, 60, () => [ours(1_000, { errors: 3 })]));
    assert.equal(judge(given, policy).verdict, "PASS");
    assert.equal(judge(given, { ...policy, successObjective: 0.999 }).verdict, "FAIL");
    assert.equal(judge(given, { ...policy, judging: { sloObjective: 0.9999 } }).gate, "burn");
    assert.deepEqual(judge(given, policy), judge(structuredClone(given), policy));
  });
});
