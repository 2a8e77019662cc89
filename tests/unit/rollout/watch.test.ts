import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Look, Watch } from "../../../common/contracts/bake.ts";
import type { Samples } from "../../../common/contracts/samples.ts";
import { cellId, releaseName } from "../../../common/ids.ts";
import { beforeDeploy } from "../../../control-plane/rollout/before.ts";
import { judge } from "../../../control-plane/rollout/judge.ts";
import { blindVerdict } from "../../../control-plane/rollout/judge-coverage.ts";
import { earlierSamples } from "../../../control-plane/rollout/looks.ts";
import { policyWith } from "../../../control-plane/rollout/policy.ts";
import { rejudge } from "../../../control-plane/rollout/what-if.ts";
import { counter } from "./fixtures.ts";

const cell = cellId("cell-1");
const first = cellId("cell-9");
const release = releaseName("pulse@2");
const policy = policyWith({ timeScale: 1 });

const look = (seconds: number, errors: number, firstErrors = 0): Look => ({
  seconds,
  checks: [cell, first].map((id) => ({ cell: id, answered: true, ready: true, release, problems: [] })),
  counters: [
    counter({ cell, release, requests: 200, errors }),
    counter({ cell: first, release, requests: 200, errors: firstErrors }),
  ],
  sources: ["router-1"],
  missing: [],
  stale: [],
  error: null,
});
const watch = (looks: Look[]): Watch => ({
  wave: 2,
  number: 3,
  purpose: "bake",
  beganAt: "2026-01-01T00:00:00.000Z",
  cells: [{ cell, release }],
  comparison: null,
  earlier: [{ wave: 1, cells: [{ cell: first, release }], comparison: null }],
  looks,
});

describe("what if the policy had been another", () => {
  const bake = watch([look(60, 0), look(120, 4), look(180, 6), look(240, 0)]);

  it("the same policy says the same", () => {
    assert.equal(rejudge(bake, policy).verdict.verdict, "FAIL");
    assert.equal(
      rejudge(bake, policyWith({ timeScale: 1, successObjective: 0.98, judging: { fastBurn: 50 } })).verdict.gate,
      "burn",
    );
  });

  it("a stricter one fails at the first look that shows it, and says when", () => {
    const strict = rejudge(bake, {
      ...policy,
      successObjective: 0.999,
      minimumSamples: 10,
      judging: { fastBurn: 1_000, slowBurn: 900 },
    });
    assert.deepEqual([strict.verdict.verdict, strict.verdict.gate, strict.afterSeconds], ["FAIL", "absolute", 180]);
  });

  it("a laxer one passes at the end", () => {
    const lax = rejudge(bake, { ...policy, successObjective: 0.9, judging: { fastBurn: 1_000, slowBurn: 900 } });
    assert.deepEqual([lax.verdict.verdict, lax.afterSeconds], ["PASS", 240]);
  });
});

describe("the waves before a bad one", () => {
  it("are judged by their own cells over the same looks", () => {
    for (const [firstErrors, expected] of [
      [0, "PASS"],
      [90, "FAIL"],
    ] as const) {
      const bad = watch([look(60, 100, firstErrors), look(120, 100, firstErrors)]);
      const [earlier] = bad.earlier;
      assert.ok(earlier !== undefined);
      assert.equal(judge(earlierSamples(bad, earlier), policy).verdict, expected);
    }
  });
});

describe("a watcher that cannot write down what it sees", () => {
  it("asks a person, and blames nobody", () => {
    const verdict = blindVerdict(5, "the registry does not answer", policy);
    assert.deepEqual([verdict.verdict, verdict.gate, verdict.urgent], ["INCONCLUSIVE", "coverage", true]);
    assert.match(verdict.reason, /^5 looks in a row could not be taken: the registry/);
  });
});

describe("traffic before a deploy", () => {
  const reading = (source: string, minute: number, requests: number, errors: number, instance = "one"): Samples => ({
    source,
    instance,
    at: new Date(minute * 60_000).toISOString(),
    counters: [
      counter({ cell, requests, errors, release: releaseName("pulse@1") }),
      counter({ cell, requests: requests * 9, synthetic: true }),
    ],
  });

  it("is what all routers counted between the first reading and the last, of customers alone", () => {
    const readings = [
      reading("router-1", 0, 1_000, 10),
      reading("router-2", 0, 500, 0),
      reading("router-1", 30, 1_600, 13),
      reading("router-2", 30, 700, 1),
      reading("router-1", 60, 2_000, 20),
    ];
    const [known] = beforeDeploy(readings);
    assert.deepEqual([known?.cell, known?.seconds, known?.requests, known?.errors], [cell, 3_600, 1_200, 11]);
  });

  it("goes on from zero where a router began anew, and is nothing without readings", () => {
    const [known] = beforeDeploy([reading("router-1", 0, 1_000, 10), reading("router-1", 10, 40, 2, "two")]);
    assert.deepEqual([known?.requests, known?.errors], [40, 2]);
    assert.deepEqual(beforeDeploy([]), []);
    assert.equal(beforeDeploy([reading("router-1", 0, 1_000, 10)])[0]?.requests, 0);
  });
});
