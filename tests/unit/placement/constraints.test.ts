import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { dominantUtilisation } from "../../../control-plane/placement/capacity.ts";
import type { Exclusion } from "../../../control-plane/placement/constraints.ts";
import type { CellSupply, TenantDemand } from "../../../control-plane/placement/demand.ts";
import { NoCellFits } from "../../../control-plane/placement/errors.ts";
import { explain, explainRefusal } from "../../../control-plane/placement/explain.ts";
import { chooseCell, place } from "../../../control-plane/placement/place.ts";
import { strategies } from "../../../control-plane/placement/policy.ts";
import { aCell, aTenant, policyOf, usedTo, uuid } from "./fixtures.ts";

const exclusionCases: readonly { name: string; tenant: TenantDemand; cell: CellSupply; exclusion: Exclusion }[] = [
  {
    name: "outside the residency",
    tenant: aTenant(1, "free", { residency: ["us"] }),
    cell: aCell("cell-1"),
    exclusion: "residency",
  },
  {
    name: "of another tier",
    tenant: aTenant(1, "free"),
    cell: aCell("cell-1", { tiers: ["enterprise"] }),
    exclusion: "tier",
  },
  { name: "cordoned", tenant: aTenant(1), cell: aCell("cell-1", { cordoned: true }), exclusion: "cordoned" },
  { name: "in another ring", tenant: aTenant(1, "free", { ring: "early" }), cell: aCell("cell-1"), exclusion: "ring" },
  {
    name: "holding a tenant it must be apart from",
    tenant: aTenant(1, "free", { antiAffinity: ["acme"] }),
    cell: aCell("cell-1", { labels: ["other", "acme"] }),
    exclusion: "anti-affinity",
  },
  {
    name: "reserved for another tenant",
    tenant: aTenant(1),
    cell: aCell("cell-1", { dedicatedTo: uuid(2) }),
    exclusion: "reserved",
  },
  {
    name: "full up to its headroom",
    tenant: aTenant(1),
    cell: aCell("cell-1", { used: { ...usedTo(0.8), tenants: 0 } }),
    exclusion: "full",
  },
  {
    name: "several: the first in the order of constraints is told",
    tenant: aTenant(1, "free", { residency: ["us"], ring: "early" }),
    cell: aCell("cell-1", { cordoned: true, tiers: ["pro"], used: usedTo(1) }),
    exclusion: "residency",
  },
];

describe("a cell is excluded when it is", () => {
  for (const { name, tenant, cell, exclusion } of exclusionCases) {
    it(name, () => {
      for (const strategy of strategies) {
        const decision = place(
          tenant,
          [cell, aCell("cell-2", { region: "us", ring: tenant.ring ?? "stable" })],
          policyOf(strategy),
        );
        assert.equal(decision.cell, "cell-2");
        const candidate = decision.candidates[1];
        assert.equal(candidate?.kind === "excluded" ? candidate.exclusion : "fits", exclusion);
      }
    });
  }
});

describe("when no cell fits", () => {
  it("says for each cell why", () => {
    const cells = [aCell("cell-2", { cordoned: true }), aCell("cell-1", { region: "us", used: usedTo(0.9) })];
    assert.throws(
      () => place(aTenant(1), cells, policyOf("tenant")),
      (error) => {
        assert.ok(error instanceof NoCellFits);
        assert.equal(error.code, "no-cell-fits");
        assert.equal(error.message, "cell-1: full, cell-2: cordoned");
        assert.match(explainRefusal(error), /cell-2 {2}excluded \(cordoned\): cordoned: takes no new tenants/);
        return true;
      },
    );
  });

  it("says so of an empty fleet too", () => {
    assert.throws(() => place(aTenant(1), [], policyOf("tenant")), { message: "the fleet has no cells" });
  });
});

describe("an explanation", () => {
  it("has a line for every cell: score and room, or why not", () => {
    const decision = place(
      aTenant(1, "pro"),
      [aCell("cell-1"), aCell("cell-2", { cordoned: true })],
      policyOf("tenant"),
    );
    assert.deepEqual(explain(decision).split("\n"), [
      "cell-1 by strategy tenant: least utilisation after placement (a very large tenant: the fullest cell that still fits it)",
      "  cell-1  score 0.0063, 0.6 % of requestsPerSecond in use afterwards",
      "  cell-2  excluded (cordoned): cordoned: takes no new tenants",
    ]);
  });
});

const region = fc.constantFrom("eu", "us", "ap");
const ring = fc.constantFrom("stable", "early");
const label = fc.constantFrom("acme", "beta");
const tier = fc.constantFrom("free", "pro", "enterprise");
const tenants = fc
  .record({
    n: fc.nat(50),
    tier,
    residency: fc.uniqueArray(region, { maxLength: 2 }),
    home: fc.option(region),
    ring: fc.option(ring),
    antiAffinity: fc.uniqueArray(label, { maxLength: 1 }),
    requestsPerSecond: fc.integer({ min: 1, max: 1_800 }),
  })
  .map(({ n, tier: ofTier, requestsPerSecond, ...wishes }) =>
    aTenant(n, ofTier, { ...wishes, demand: { requestsPerSecond, storageBytes: 1, tenants: 1 } }),
  );
const cellLists = fc
  .array(
    fc.record({
      region,
      ring,
      tiers: fc.uniqueArray(tier, { maxLength: 2 }),
      cordoned: fc.boolean(),
      used: fc.double({ min: 0, max: 1, noNaN: true }).map(usedTo),
      labels: fc.uniqueArray(label),
      dedicatedTo: fc.option(fc.nat(3).map(uuid), { freq: 4 }),
    }),
    { maxLength: 8 },
  )
  .map((list) => list.map((overrides, n) => aCell(`cell-${n + 1}`, overrides)));
const policies = fc.constantFrom(...strategies).map((strategy) => policyOf(strategy, { seed: "s" }));

describe("a placement, whatever the fleet", () => {
  it("violates no constraint", () => {
    fc.assert(
      fc.property(tenants, cellLists, policies, (tenant, cells, policy) => {
        const cell = chooseCell(tenant, cells, policy);
        if (cell === null) return;
        assert.ok(tenant.residency.length === 0 || tenant.residency.includes(cell.region));
        assert.ok(cell.tiers.length === 0 || cell.tiers.includes(tenant.tier));
        assert.equal(cell.cordoned, false);
        assert.ok(tenant.ring === null || tenant.ring === cell.ring);
        assert.ok(!tenant.antiAffinity.some((one) => cell.labels.includes(one)));
        assert.ok(cell.dedicatedTo === null || cell.dedicatedTo === tenant.tenant);
        assert.ok(dominantUtilisation(cell.capacity, cell.used, tenant.demand, policy.headroom) <= 1);
      }),
      { numRuns: 500 },
    );
  });

  it("does not depend on the order of the cells, and place and chooseCell agree", () => {
    fc.assert(
      fc.property(tenants, cellLists, policies, (tenant, cells, policy) => {
        const chosen = chooseCell(tenant, cells, policy);
        if (chosen === null) {
          assert.throws(() => place(tenant, cells, policy), NoCellFits);
          return;
        }
        const decision = place(tenant, cells, policy);
        assert.equal(decision.cell, chosen.cell);
        assert.equal(decision.candidates[0]?.cell, chosen.cell);
        assert.deepEqual(place(tenant, cells.toReversed(), policy), decision);
      }),
      { numRuns: 500 },
    );
  });
});
