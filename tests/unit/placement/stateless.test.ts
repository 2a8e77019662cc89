import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { cellId } from "../../../common/ids.ts";
import { pickStateless, type StatelessTarget } from "../../../control-plane/placement/stateless.ts";

const target = (name: string, weight = 1, region = "eu"): StatelessTarget => ({ cell: cellId(name), region, weight });
const cells = [target("cell-1"), target("cell-2", 3), target("cell-3", 0), target("cell-4", 1, "us")];

describe("a stateless request", () => {
  it("goes to cells by their weights", () => {
    const rolls = Array.from({ length: 100 }, (_, n) => pickStateless(cells, [], { by: "random", roll: n / 100 }));
    const shares = Object.fromEntries(
      Map.groupBy(rolls, String)
        .entries()
        .map(([cell, list]) => [cell, list.length]),
    );
    assert.deepEqual(shares, { "cell-1": 20, "cell-2": 60, "cell-4": 20 });
  });

  it("stays within the tenant's residency", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.string(), (roll, user) => {
        assert.equal(pickStateless(cells, ["us"], { by: "random", roll }), "cell-4");
        assert.equal(pickStateless(cells, ["us"], { by: "user", user }), "cell-4");
      }),
    );
  });

  it("keeps a user on one cell, and when a cell goes moves only its users", () => {
    fc.assert(
      fc.property(fc.string(), (user) => {
        const before = pickStateless(cells, [], { by: "user", user });
        const after = pickStateless(
          cells.filter(({ cell }) => cell !== "cell-2"),
          [],
          { by: "user", user },
        );
        if (before !== "cell-2") assert.equal(after, before);
      }),
    );
  });

  it("has nowhere to go when no cell may take it", () => {
    assert.equal(pickStateless([target("cell-1", 0)], [], { by: "random", roll: 0.5 }), null);
    assert.equal(pickStateless(cells, ["ap"], { by: "user", user: "ann" }), null);
  });
});
