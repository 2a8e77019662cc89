import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { explanationText } from "../../../cli/actions/rollout/explain.ts";
import { planText } from "../../../cli/actions/rollout/plan.ts";
import { planRollout } from "../../../control-plane/rollout/plan.ts";
import { policyWith } from "../../../control-plane/rollout/policy.ts";
import { judge } from "../../../control-plane/rollout/judge.ts";
import { operationId } from "../../../common/ids.ts";
import { aFleetCell, request } from "../rollout/fixtures.ts";

const nights = { name: "nights", timeZone: "Europe/Berlin", days: ["fri" as const], from: "22:00", to: "06:00" };
const policy = policyWith({
  timeScale: 1,
  blastRadius: { tenants: 500, percent: 20 },
  approvals: { required: 2, of: ["anna", "ben"], waves: [1], expiresSeconds: 60 },
  freezes: [{ name: "launch", since: "2026-12-01T00:00:00Z", until: "2026-12-03T00:00:00Z" }],
});
const fleet = [
  aFleetCell("cell-1", { tenants: { free: 2 } }),
  ...Array.from({ length: 9 }, (_, n) =>
    aFleetCell(`cell-${n + 2}`, { tenants: { free: 3 }, maintenance: n === 0 ? [nights] : [] }),
  ),
];
const traffic = fleet.map(({ cell }, n) => {
  const requests = (n === 0 ? 2 : 20) * 3_600;
  return { cell, seconds: 3_600, requests, errors: Math.round(requests / 1_000) };
});
const plan = planRollout(request({ cells: fleet, policy, traffic }));

describe("a plan for people", () => {
  const text = planText(plan).join("\n");
  const says: readonly (readonly [string, RegExp])[] = [
    ["what it is", /^pulse@2 {2}application, migrations: expand/],
    [
      "waves with customers at risk, start and bake",
      /wave 1 \(canary\) {2}1 cell, at once, bake 1h 0m; customers at risk: 2 free/,
    ],
    ["from and to", /cell-1 {8}pulse@1 → pulse@2 {2}2 customers/],
    ["when a cell may be changed", /only {8}nights: fri 22:00–06:00 Europe\/Berlin/],
    [
      "too little power, and what stands in",
      /cell-1: it sees 2\.0 requests\/s: it cannot show a doubling of its errors in this bake; synthetic load of 20\/s will be added/,
    ],
    ["the gates", /gates: hard, absolute, burn, latency, saturation, drop; relative for 0 of 1 cell/],
    ["how long it takes", /expected {3}\d+h \d+m/],
    ["the blast radius", /at most 500 customers and 20 % of all customers within an hour/],
    ["who must approve", /2 of anna, ben, before wave 1/],
    ["freezes", /freeze {5}launch: 2026-12-01T00:00:00Z to/],
    ["how to start exactly this", new RegExp(`rollout start pulse@2 --plan ${plan.hash}`)],
  ];
  for (const [name, pattern] of says) it(`says ${name}`, () => assert.match(text, pattern));
});

describe("an explanation for people", () => {
  it("names every gate with numbers, thresholds and formula, and what was watched", () => {
    const cells = [{ cell: aFleetCell("cell-1").cell, release: plan.release }];
    const verdict = judge(
      { cells, checks: [], counters: [], sources: ["router-1"], missing: ["router-2"], over: true, looks: [] },
      policy,
    );
    const lines = explanationText({
      id: operationId("00000000-0000-7000-8000-000000000000"),
      release: plan.release,
      state: "waiting",
      plan: plan.hash,
      decisions: [{ at: "2026-01-01T00:00:00Z", event: "judged", wave: 1, verdict }],
      watches: [
        {
          wave: 1,
          number: 2,
          purpose: "bake",
          beganAt: "2026-01-01T00:00:00Z",
          cells,
          comparison: null,
          earlier: [],
          looks: [],
        },
      ],
    });
    const text = lines.join("\n");
    assert.match(text, /wave 1 {2}judged: INCONCLUSIVE \(coverage\): not heard: router-2/);
    assert.match(text, /heard router-1; not heard router-2/);
    for (const gate of ["coverage", "hard", "absolute", "burn", "relative"])
      assert.match(text, new RegExp(`  ${gate} +\\S`));
    assert.match(text, /thresholds {2}.*minimumSamples 100/);
    assert.match(text, /watch 2 {2}wave 1, bake: 0 looks in 0s at cell-1/);
  });
});
