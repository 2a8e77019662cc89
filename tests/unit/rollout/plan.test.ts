import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { releaseName } from "../../../common/ids.ts";
import { defaultJudging } from "../../../control-plane/rollout/judging.ts";
import { isIntact, planRollout } from "../../../control-plane/rollout/plan.ts";
import type { PlanRequest } from "../../../control-plane/rollout/plan-request.ts";
import { defaultRolloutPolicy, policyWith } from "../../../control-plane/rollout/policy.ts";
import type { FleetCell } from "../../../control-plane/rollout/waves.ts";
import { aFleetCell, aRelease, migration, request } from "./fixtures.ts";

const cellsOf = (count: number): FleetCell[] => Array.from({ length: count }, (_, n) => aFleetCell(`cell-${n + 1}`));
const waveSizes = (wanted: Partial<PlanRequest>): number[] =>
  planRollout(request(wanted)).waves.map((wave) => wave.cells.length);

describe("the waves of a plan", () => {
  const sizes: readonly (readonly [fleet: number, waves: readonly number[]])[] = [
    [1, [1]],
    [2, [1, 1]],
    [3, [1, 1, 1]],
    [4, [1, 1, 2]],
    [10, [1, 4, 5]],
    [30, [1, 2, 12, 15]],
    [1000, [1, 99, 400, 500]],
  ];
  for (const [fleet, waves] of sizes) {
    it(`of ${fleet} cells have ${waves.join(", ")} cells`, () =>
      assert.deepEqual(waveSizes({ cells: cellsOf(fleet) }), waves));
  }

  it("begin with the cell that has the fewest and lowest-tier tenants", () => {
    const cells = [
      aFleetCell("cell-1", { tenants: { enterprise: 1 } }),
      aFleetCell("cell-2", { tenants: { free: 9, synthetic: 50 } }),
      aFleetCell("cell-3", { tenants: { pro: 1 } }),
    ];
    const { waves } = planRollout(request({ cells }));
    assert.deepEqual(
      waves.map((wave) => wave.cells[0]?.cell),
      ["cell-2", "cell-3", "cell-1"],
    );
    assert.deepEqual(
      waves.map((wave) => wave.tenantsAtRisk),
      [{ free: 9 }, { pro: 1 }, { enterprise: 1 }],
    );
    assert.deepEqual(
      waves.map((wave) => wave.cells[0]?.tenants),
      [9, 1, 1],
    );
  });

  it("follow the rings before the risk", () => {
    const cells = [aFleetCell("cell-1"), aFleetCell("cell-2", { ring: "early", tenants: { enterprise: 5 } })];
    assert.equal(
      planRollout(request({ cells, policy: policyWith({ rings: ["early"] }) })).waves[0]?.cells[0]?.cell,
      "cell-2",
    );
  });

  it("alternate over regions", () => {
    const cells = ["eu", "eu", "us", "us"].map((region, n) => aFleetCell(`cell-${n + 1}`, { region }));
    const { waves } = planRollout(request({ cells }));
    assert.deepEqual(
      waves.flatMap((wave) => wave.cells).map(({ cell }) => cell),
      ["cell-1", "cell-3", "cell-2", "cell-4"],
    );
  });

  it("leave out cells that run the release already", () => {
    const cells = [aFleetCell("cell-1", { release: releaseName("pulse@2") }), aFleetCell("cell-2", { release: null })];
    const { waves } = planRollout(request({ cells }));
    assert.deepEqual(
      waves.flatMap((wave) => wave.cells),
      [{ cell: "cell-2", from: null, to: "pulse@2", tenants: 1 }],
    );
  });

  it("hold every changing cell exactly once, whatever the fleet and policy", () => {
    const cells = fc.array(
      fc.record({ region: fc.constantFrom("eu", "us"), ring: fc.constantFrom("a", "b"), free: fc.nat(9) }),
      { minLength: 1 },
    );
    const policy = fc.record({
      canaryCells: fc.integer({ min: 1, max: 5 }),
      percentages: fc
        .uniqueArray(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 5 })
        .map((list) => list.toSorted((a, b) => a - b)),
    });
    fc.assert(
      fc.property(cells, policy, (list, wishes) => {
        const fleet = list.map(({ free, ...cell }, n) => aFleetCell(`cell-${n + 1}`, { ...cell, tenants: { free } }));
        const plan = planRollout(request({ cells: fleet, policy: policyWith({ ...wishes, rings: ["b"] }) }));
        const planned = plan.waves.flatMap((wave) => wave.cells.map(({ cell }) => cell));
        assert.deepEqual(planned.toSorted(), fleet.map(({ cell }) => cell).toSorted());
        assert.ok((plan.waves[0]?.cells.length ?? 0) <= wishes.canaryCells);
        assert.deepEqual(
          plan.waves.map((wave) => wave.number),
          plan.waves.map((_, n) => n + 1),
        );
      }),
    );
  });
});

describe("the bakes of a plan", () => {
  it("are an hour, two, four and four again, shortened by the time scale", () => {
    const { waves } = planRollout(request({ cells: cellsOf(30) }));
    assert.deepEqual(
      waves.map((wave) => wave.bakeSeconds),
      [12, 24, 48, 48],
    );
    const unscaled = planRollout(request({ cells: cellsOf(30), policy: policyWith({ timeScale: 1 }) }));
    assert.deepEqual(
      unscaled.waves.map((wave) => wave.bakeSeconds),
      [3_600, 7_200, 14_400, 14_400],
    );
  });

  it("leave three and four local cells under three minutes", () => {
    for (const count of [3, 4]) assert.ok(planRollout(request({ cells: cellsOf(count) })).expectedSeconds < 180);
  });
});

describe("the hash of a plan", () => {
  it("is the same for the same request, and another for any other", () => {
    const plan = planRollout(request());
    assert.equal(planRollout(request()).hash, plan.hash);
    assert.notEqual(planRollout(request({ policy: policyWith({ minimumSamples: 7 }) })).hash, plan.hash);
    assert.notEqual(planRollout(request({ cells: cellsOf(2) })).hash, plan.hash);
  });

  it("tells whether a stored plan was changed", () => {
    const plan = planRollout(request());
    assert.equal(isIntact(structuredClone(plan)), true);
    assert.equal(isIntact({ ...plan, expectedSeconds: plan.expectedSeconds + 1 }), false);
  });
});

describe("the migration class of a plan", () => {
  const releases = [
    aRelease("pulse@1"),
    aRelease("pulse@2", [migration(1), migration(2)]),
    aRelease("pulse@4", [migration(1), migration(2), migration(3, "irreversible")]),
  ];
  const planned = (release: string, app: number) =>
    planRollout(
      request({ release: releaseName(release), releases, cells: [aFleetCell("cell-1", { schema: { kit: 0, app } })] }),
    ).migrationClass;

  it("is the heaviest of those that some cell has yet to run", () => {
    assert.equal(planned("pulse@2", 1), "expand");
    assert.equal(planned("pulse@2", 2), null);
    assert.equal(planned("pulse@4", 1), "irreversible");
  });
});

describe("planning is refused", () => {
  const old = { release: releaseName("pulse@1") };
  const at = (app: number, kit = 0): Partial<FleetCell> => ({ release: releaseName("pulse@2"), schema: { kit, app } });
  const refusals: readonly { name: string; wanted: Partial<PlanRequest>; code: string; detail: RegExp }[] = [
    {
      name: "for an unknown release",
      wanted: { release: releaseName("pulse@9") },
      code: "unknown-release",
      detail: /pulse@9/,
    },
    {
      name: "for another application's release",
      wanted: { release: releaseName("other@1"), releases: [aRelease("other@1")] },
      code: "wrong-application",
      detail: /fleet runs pulse/,
    },
    {
      name: "for a quarantined release",
      wanted: { releases: [aRelease("pulse@2", [], { state: "quarantined", reason: "failed at cell-1" })] },
      code: "release-quarantined",
      detail: /failed at cell-1/,
    },
    { name: "without cells", wanted: { cells: [] }, code: "no-cells", detail: /no cells/ },
    { name: "when all cells run it", wanted: old, code: "nothing-to-do", detail: /pulse@1/ },
    {
      name: "back over a contract migration",
      wanted: {
        ...old,
        releases: [aRelease("pulse@1"), aRelease("pulse@2", [migration(1), migration(2, "contract")])],
        cells: [aFleetCell("cell-1", at(2))],
      },
      code: "schema-out-of-range",
      detail: /cell-1: app migration 2 \(step-2\) of the cell is contract and came after pulse@1/,
    },
    {
      name: "over a migration that nobody knows",
      wanted: { ...old, cells: [aFleetCell("cell-1", at(5))] },
      code: "schema-out-of-range",
      detail: /app migration 5 of the cell is in no stored release/,
    },
    {
      name: "from a schema below the release's lowest",
      wanted: { releases: [aRelease("pulse@1"), aRelease("pulse@2", [migration(4)])] },
      code: "schema-out-of-range",
      detail: /begins at app migration 4, the cell is at 1/,
    },
    {
      name: "when a migration's number was used for another",
      wanted: { releases: [aRelease("pulse@1"), aRelease("pulse@2", [{ ...migration(1), digest: "f".repeat(64) }])] },
      code: "schema-out-of-range",
      detail: /app migration 1 is another one/,
    },
  ];
  for (const { name, wanted, code, detail } of refusals) {
    it(name, () => assert.throws(() => planRollout(request(wanted)), { code, message: detail }));
  }

  it("but not back over an expand migration: a roll-back finds a schema that it accepts", () => {
    const plan = planRollout(request({ ...old, cells: [aFleetCell("cell-1", at(2))] }));
    assert.equal(plan.migrationClass, null);
  });

  it("nor over numbers that were left out: the release that brought the last one lists all before it", () => {
    const releases = [aRelease("pulse@1"), aRelease("pulse@2", [migration(1), migration(4)])];
    const plan = planRollout(request({ ...old, releases, cells: [aFleetCell("cell-1", at(4))] }));
    assert.equal(plan.migrationClass, null);
  });
});

describe("a policy", () => {
  it("takes an operator's wishes over the defaults", () => {
    assert.deepEqual(policyWith({ minimumSamples: 5 }), {
      ...defaultRolloutPolicy,
      minimumSamples: 5,
      judging: defaultJudging,
    });
    assert.equal(policyWith({ judging: { fastBurn: 20 } }).judging?.fastBurn, 20);
  });

  it("is refused when it makes no sense", () => {
    for (const percentages of [[50, 10], [10, 10], [0], [101]]) {
      assert.throws(() => policyWith({ percentages }), { code: "invalid-policy" });
    }
    assert.throws(() => policyWith({ p99ObjectiveMs: 60_000 }), { code: "invalid-policy" });
  });
});

describe("the caps of a policy", () => {
  const fleet = Array.from({ length: 12 }, (_, n) =>
    aFleetCell(`cell-${n + 1}`, {
      region: n % 3 === 0 ? "us" : "eu",
      ring: n < 4 ? "early" : "stable",
      tenants: { free: 10 },
    }),
  );
  const planned = (wishes: Parameters<typeof policyWith>[0]) =>
    planRollout(request({ cells: fleet, policy: policyWith({ rings: ["early"], ...wishes }) })).waves;
  const regionOf = (cell: string) => fleet.find((one) => one.cell === cell)?.region;
  const ringOf = (cell: string) => fleet.find((one) => one.cell === cell)?.ring;

  it("split waves that have too many cells", () => {
    assert.ok(planned({ maxWaveCells: 3 }).every(({ cells }) => cells.length <= 3));
  });

  it("split waves that have too many cells of one region", () => {
    const waves = planned({ maxRegionCells: 2 });
    for (const { cells } of waves)
      for (const region of ["eu", "us"]) assert.ok(cells.filter(({ cell }) => regionOf(cell) === region).length <= 2);
  });

  it("keep rings apart, the first ring's waves first", () => {
    const rings = planned({ ringByRing: true }).map(({ cells }) => new Set(cells.map(({ cell }) => ringOf(cell))));
    assert.ok(rings.every((ring) => ring.size === 1));
    const order = rings.map((ring) => [...ring].join());
    assert.ok(order.lastIndexOf("early") < order.indexOf("stable"), order.join());
  });

  it("keep customers of a wave within the blast radius, and waves apart where an hour would have too many", () => {
    const waves = planned({ blastRadius: { percent: 25 }, timeScale: 1, bakeSeconds: [60] });
    assert.ok(waves.every(({ tenantsAtRisk }) => (tenantsAtRisk["free"] ?? 0) <= 30));
    const starts = waves.map(({ startsAfterSeconds = 0, tenantsAtRisk }) => ({
      at: startsAfterSeconds,
      count: tenantsAtRisk["free"] ?? 0,
    }));
    for (const { at } of starts) {
      const hour = starts.filter((one) => one.at <= at && one.at > at - 3_600);
      assert.ok(hour.reduce((sum, { count }) => sum + count, 0) <= 30);
    }
  });

  it("lengthen what is expected: cells one after another take longer than side by side", () => {
    const length = (cellsAtOnce: number): number =>
      planRollout(request({ cells: fleet, policy: policyWith({ cellsAtOnce }) })).expectedSeconds;
    assert.ok(length(1) > length(4));
  });

  it("refuse a plan for a cell that alone has more customers than may be exposed", () => {
    const cells = [aFleetCell("cell-1", { tenants: { free: 60 } }), aFleetCell("cell-2")];
    assert.throws(() => planRollout(request({ cells, policy: policyWith({ blastRadius: { tenants: 50 } }) })), {
      code: "budget-too-small",
      message: /cell-1 has 60 customers, within an hour 50/,
    });
  });
});

describe("a plan says", () => {
  const traffic = (requestsPerSecond: number) =>
    ["cell-1", "cell-2", "cell-3"].map((name) => ({
      cell: aFleetCell(name).cell,
      seconds: 3_600,
      requests: requestsPerSecond * 3_600,
      errors: Math.round(requestsPerSecond * 36),
    }));
  const powers = (requestsPerSecond: number) =>
    planRollout(request({ policy: policyWith({ timeScale: 1 }), traffic: traffic(requestsPerSecond) })).waves.map(
      ({ power }) => power?.[0],
    );

  it("which cells can be compared, and what stands in at the others", () => {
    const [first, , last] = powers(20);
    assert.deepEqual([first?.comparable, first?.syntheticPerSecond], [true, 0]);
    assert.deepEqual([last?.comparable, last?.reason], [false, "no cell is left on the old release to compare with"]);
    const [quiet] = powers(0.1);
    assert.match(quiet?.reason ?? "", /it sees 0.1 requests\/s: it cannot show a doubling of its errors in this bake/);
    assert.equal(quiet?.syntheticPerSecond, 20);
  });

  it("when a cell may be changed", () => {
    const maintenance = [{ name: "nights", timeZone: "UTC", days: [], from: "22:00", to: "04:00" }];
    const { waves } = planRollout(request({ cells: [aFleetCell("cell-1", { maintenance })] }));
    assert.deepEqual(waves[0]?.cells[0]?.maintenance, maintenance);
  });

  const kinds: readonly [kind: string, changes: Parameters<typeof aRelease>[1], content: object][] = [
    ["application", [migration(1), migration(2)], {}],
    ["migration-contract", [migration(1), migration(2, "contract")], {}],
    ["configuration", [migration(1)], { configuration: { PAGE_SIZE: "50" } }],
  ];
  for (const [kind, migrations, content] of kinds) {
    it(`that it is of kind ${kind}`, () => {
      const next = aRelease("pulse@2", migrations);
      const releases = [aRelease("pulse@1"), { ...next, manifest: { ...next.manifest, ...content } }];
      assert.equal(planRollout(request({ releases })).kind, kind);
    });
  }
});

describe("a policy is refused", () => {
  const refusals: readonly [name: string, wishes: Parameters<typeof policyWith>[0], detail: RegExp][] = [
    [
      "for a time zone that does not exist",
      { freezes: [{ name: "x", timeZone: "Mars/Olympus", days: [], from: "00:00", to: "01:00" }] },
      /no time zone Mars\/Olympus/,
    ],
    [
      "for a freeze that ends before it begins",
      { freezes: [{ name: "launch", since: "2026-02-02T00:00:00Z", until: "2026-02-01T00:00:00Z" }] },
      /launch ends before it begins/,
    ],
    ["for a slow burn that is none", { judging: { slowBurn: 20 } }, /slow burn of 20/],
  ];
  for (const [name, wishes, message] of refusals)
    it(name, () => assert.throws(() => policyWith(wishes), { code: "invalid-policy", message }));
});
