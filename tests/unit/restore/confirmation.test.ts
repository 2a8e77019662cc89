import assert from "node:assert/strict";
import test from "node:test";
import type { LifePlan } from "../../../common/contracts/restores.ts";
import { cellId, tenantId, type CellId, type TenantId } from "../../../common/ids.ts";
import { decideLeases, type ConfirmationInput, type HeldLease } from "../../../control-plane/fleet/confirmation.ts";

const [one, two, three] = [cellId("cell-1"), cellId("cell-2"), cellId("cell-3")];
const ids = new Map<string, TenantId>();
const idOf = (slug: string): TenantId => {
  const known = ids.get(slug) ?? tenantId(`01900000-0000-7000-8000-${String(ids.size + 1).padStart(12, "0")}`);
  ids.set(slug, known);
  return known;
};
const lease = (slug: string, epoch: number, state: HeldLease["state"] = "active"): HeldLease => ({
  tenant: idOf(slug),
  slug,
  epoch,
  state,
  incarnation: "old",
});
const placed = (slug: string, cell: CellId, epoch: number) => ({ tenant: idOf(slug), cell, epoch });

function decide(input: Partial<ConfirmationInput>): LifePlan {
  const decision = decideLeases({
    cell: one,
    incarnation: "new",
    leases: [],
    partners: new Set(),
    placements: [],
    others: new Map([
      [two, []],
      [three, []],
    ]),
    ...input,
  });
  return decision.kind === "decided" ? decision.plan : assert.fail("it waits");
}

test("what is placed here and held by nobody else goes on above every epoch that anybody knows", () => {
  const plan = decide({
    leases: [
      lease("a", 1),
      lease("b", 4, "frozen"),
      lease("c", 2),
      lease("d", 2, "ready"),
      lease("gone", 3, "released"),
    ],
    others: new Map([[two, [lease("c", 7, "released")]]]),
    placements: [placed("a", one, 5), placed("b", one, 1), placed("c", one, 2), placed("d", one, 2)],
  });
  assert.deepEqual(
    plan.confirmed.map(({ slug, epoch }) => [slug, epoch]),
    [
      ["a", 6],
      ["b", 5],
      ["c", 8],
      ["d", 3],
    ],
  );
  assert.deepEqual([plan.dropped, plan.granted, plan.followed], [[], [], []]);
});

test("what another cell holds, in whatever state, is dropped, and the registry follows an owner", () => {
  for (const state of ["active", "frozen", "ready", "importing"] as const) {
    const others = new Map([[two, [lease("a", 2, state)]]]);
    const plan = decide({ leases: [lease("a", 1)], others, placements: [placed("a", one, 1)] });
    assert.deepEqual(plan.confirmed, []);
    assert.equal(plan.dropped[0]?.why, `cell-2 holds it (${state}, epoch 2)`);
    const owned = state === "active" || state === "frozen";
    assert.deepEqual(plan.followed, owned ? [{ tenant: idOf("a"), cell: two, epoch: 2 }] : []);
  }
});

test("what cannot be asked about, is placed elsewhere, is unknown or was incomplete is dropped", () => {
  const plan = decide({
    leases: [lease("away", 1), lease("silent", 1), lease("unknown", 1), lease("half", 1, "importing")],
    others: new Map([
      [two, []],
      [three, null],
    ]),
    placements: [placed("away", two, 2), placed("silent", three, 2), placed("half", one, 1)],
  });
  assert.deepEqual(plan.confirmed, []);
  assert.deepEqual(
    plan.dropped.map(({ slug, why }) => [slug, why]),
    [
      ["away", "it is placed in cell-2"],
      ["silent", "it is placed in cell-3, which cannot be asked"],
      ["unknown", "the registry has no such tenant"],
      ["half", "its rows had not all come when the backup was made"],
    ],
  );
});

test("a silent cell that has nothing to do with it holds nobody up; one that shares a move does", () => {
  const others = new Map<CellId, HeldLease[] | null>([[two, null]]);
  const shared = { leases: [lease("a", 1)], others, placements: [placed("a", one, 1)] };
  assert.equal(decide(shared).confirmed.length, 1);
  const waiting = decideLeases({ cell: one, incarnation: "new", ...shared, partners: new Set([two]) });
  assert.deepEqual(waiting, { kind: "waits", for: [two] });
});

test("a tenant that came after the backup is granted anew, unless somebody else holds it", () => {
  const placements = [placed("late", one, 1), placed("moved", one, 1), placed("tombstone", one, 3)];
  const others = new Map([[two, [lease("moved", 2), lease("tombstone", 5, "released")]]]);
  const plan = decide({ others, placements });
  assert.deepEqual(plan.granted, [
    { tenant: idOf("late"), epoch: 2 },
    { tenant: idOf("tombstone"), epoch: 6 },
  ]);
  assert.deepEqual(plan.followed, [{ tenant: idOf("moved"), cell: two, epoch: 2 }]);
});

test("what was confirmed for this life already is left alone", () => {
  const done = { ...lease("a", 2), incarnation: "new" };
  const plan = decide({ leases: [done], placements: [placed("a", one, 2)] });
  assert.deepEqual(plan, { confirmed: [], dropped: [], granted: [], followed: [] });
});
