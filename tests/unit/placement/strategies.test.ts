import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Tier } from "../../../common/contracts/fleet.ts";
import { assignAll } from "../../../control-plane/placement/assign.ts";
import type { CellSupply, TenantDemand } from "../../../control-plane/placement/demand.ts";
import { place } from "../../../control-plane/placement/place.ts";
import type { PlacementPolicy } from "../../../control-plane/placement/policy.ts";
import { aCell, aTenant, policyOf, usedTo, uuid } from "./fixtures.ts";

const euAndUs = [aCell("eu-1"), aCell("us-1", { region: "us" }), aCell("ap-1", { region: "ap" })];
const huge = { requestsPerSecond: 900, storageBytes: 0, tenants: 1 };

const cases: readonly {
  name: string;
  tenant: TenantDemand;
  cells: readonly CellSupply[];
  policy: PlacementPolicy;
  order: readonly string[];
}[] = [
  {
    name: "tenant: the cell least used after placement",
    tenant: aTenant(1),
    cells: [
      aCell("cell-1", { used: usedTo(0.5) }),
      aCell("cell-2", { used: usedTo(0.1) }),
      aCell("cell-3", { used: usedTo(0.3) }),
    ],
    policy: policyOf("tenant"),
    order: ["cell-2", "cell-3", "cell-1"],
  },
  {
    name: "tenant: the dominant dimension decides, not the sum",
    tenant: aTenant(1),
    cells: [
      aCell("cell-1", { used: { requestsPerSecond: 900, storageBytes: 0, tenants: 10 } }),
      aCell("cell-2", { used: { requestsPerSecond: 700, storageBytes: 150 * 2 ** 30, tenants: 600 } }),
    ],
    policy: policyOf("tenant"),
    order: ["cell-2", "cell-1"],
  },
  {
    name: "tenant: a cell twice as large takes the tenant at equal use",
    tenant: aTenant(1, "pro"),
    cells: [
      aCell("cell-1", { capacity: { requestsPerSecond: 1_000, storageBytes: 2 ** 39, tenants: 1_000 } }),
      aCell("cell-2"),
    ],
    policy: policyOf("tenant"),
    order: ["cell-2", "cell-1"],
  },
  {
    name: "tenant: a very large tenant goes where it fits best and leaves the empty cell whole",
    tenant: aTenant(1, "enterprise", { demand: huge }),
    cells: [aCell("cell-1"), aCell("cell-2", { used: usedTo(0.3) }), aCell("cell-3", { used: usedTo(0.2) })],
    policy: policyOf("tenant"),
    order: ["cell-2", "cell-3", "cell-1"],
  },
  {
    name: "geographic: the home region first, then the nearest by the policy's order",
    tenant: aTenant(1, "free", { home: "us" }),
    cells: euAndUs,
    policy: policyOf("geographic", { proximity: { us: ["us", "eu", "ap"] } }),
    order: ["us-1", "eu-1", "ap-1"],
  },
  {
    name: "geographic: regions the policy does not list are farthest",
    tenant: aTenant(1, "free", { home: "us" }),
    cells: euAndUs,
    policy: policyOf("geographic", { proximity: { us: ["ap"] } }),
    order: ["us-1", "ap-1", "eu-1"],
  },
  {
    name: "geographic: within a region the least used",
    tenant: aTenant(1, "free", { home: "eu" }),
    cells: [
      aCell("eu-1", { used: usedTo(0.5) }),
      aCell("eu-2", { used: usedTo(0.2) }),
      aCell("us-1", { region: "us" }),
    ],
    policy: policyOf("geographic"),
    order: ["eu-2", "eu-1", "us-1"],
  },
  {
    name: "hybrid: the most wanted region of the residency, even if fuller",
    tenant: aTenant(1, "free", { residency: ["us", "eu"] }),
    cells: [
      aCell("eu-1"),
      aCell("us-1", { region: "us", used: usedTo(0.7) }),
      aCell("us-2", { region: "us", used: usedTo(0.4) }),
    ],
    policy: policyOf("hybrid"),
    order: ["us-2", "us-1", "eu-1"],
  },
  {
    name: "dedicated: the smallest empty cell that is large enough",
    tenant: aTenant(1, "enterprise"),
    cells: [
      aCell("cell-1"),
      aCell("cell-2", { capacity: { requestsPerSecond: 100, storageBytes: 2 ** 37, tenants: 10 } }),
    ],
    policy: policyOf("dedicated"),
    order: ["cell-2", "cell-1"],
  },
];

describe("the order of the cells, by strategy", () => {
  for (const { name, tenant, cells, policy, order } of cases) {
    it(name, () => {
      const decision = place(tenant, cells, policy);
      assert.deepEqual(
        decision.candidates.map(({ cell }) => cell),
        order,
      );
      assert.equal(decision.cell, order[0]);
    });
  }
});

describe("the default strategy on a new fleet", () => {
  it("gives each of three equal empty cells some of six tenants of different tiers, in every order of arrival", () => {
    const cells = [aCell("cell-1"), aCell("cell-2", { region: "us" }), aCell("cell-3")];
    const tiers: Tier[] = ["enterprise", "enterprise", "pro", "pro", "free", "free"];
    for (let rotation = 0; rotation < tiers.length; rotation += 1) {
      const rotated = [...tiers.slice(rotation), ...tiers.slice(0, rotation)];
      const assignments = assignAll(
        rotated.map((tier, n) => aTenant(n, tier)),
        cells,
        policyOf("tenant"),
      );
      assert.equal(new Set(assignments.map(({ cell }) => cell)).size, 3, rotated.join());
    }
  });

  it("says null for tenants beyond the capacity, and goes on", () => {
    const cell = aCell("cell-1", { capacity: { requestsPerSecond: 100, storageBytes: 2 ** 40, tenants: 100 } });
    const tenants = [aTenant(1, "enterprise"), aTenant(2, "enterprise"), aTenant(3, "free")];
    assert.deepEqual(
      assignAll(tenants, [cell], policyOf("tenant")).map((assignment) => assignment.cell),
      ["cell-1", null, "cell-1"],
    );
  });
});

describe("the hash strategy", () => {
  const tenants = Array.from({ length: 4_000 }, (_, n) => aTenant(n));
  const cellsOf = (count: number): CellSupply[] => Array.from({ length: count }, (_, n) => aCell(`cell-${n + 1}`));
  const placed = (cells: readonly CellSupply[]): string[] =>
    tenants.map((tenant) => place(tenant, cells, policyOf("hash")).cell);

  it("spreads tenants evenly, and by weight", () => {
    const small = { requestsPerSecond: 1_000, storageBytes: 2 ** 39, tenants: 2_000 };
    const counts = Map.groupBy(placed([...cellsOf(3), aCell("cell-4", { capacity: small })]), (cell) => cell);
    for (const [cell, won] of counts) {
      const expected = (tenants.length * (cell === "cell-4" ? 0.5 : 1)) / 3.5;
      assert.ok(Math.abs(won.length - expected) < 0.1 * expected, `${cell} has ${won.length} of ${expected}`);
    }
  });

  it("moves only the tenants that a new cell wins", () => {
    const [before, after] = [placed(cellsOf(4)), placed(cellsOf(5))];
    assert.ok(after.every((cell, n) => cell === before[n] || cell === "cell-5"));
  });
});

describe("the random strategy", () => {
  it("depends on the seed alone", () => {
    const cells = [aCell("cell-1"), aCell("cell-2"), aCell("cell-3")];
    const placed = (seed: string): string[] =>
      Array.from({ length: 300 }, (_, n) => place(aTenant(n), cells, policyOf("random", { seed })).cell);
    assert.deepEqual(placed("a"), placed("a"));
    assert.notDeepEqual(placed("a"), placed("b"));
    for (const won of Map.groupBy(placed("a"), (cell) => cell).values()) assert.ok(won.length > 70);
  });
});

describe("the dedicated strategy", () => {
  it("takes the cell that is reserved for the tenant, and no cell with others in it", () => {
    const cells = [
      aCell("cell-1", { dedicatedTo: uuid(7), used: usedTo(0.1) }),
      aCell("cell-2", { used: usedTo(0.1) }),
      aCell("cell-3", { dedicatedTo: uuid(8) }),
    ];
    const decision = place(aTenant(7, "enterprise"), cells, policyOf("dedicated"));
    assert.equal(decision.cell, "cell-1");
    assert.deepEqual(
      decision.candidates.map((candidate) => (candidate.kind === "excluded" ? candidate.text : "fits")),
      ["fits", "shared with other tenants", "reserved for another tenant"],
    );
  });
});
