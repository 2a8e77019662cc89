import assert from "node:assert/strict";
import test from "node:test";
import { cellId, tenantId, type CellId } from "../../../common/ids.ts";
import { defaultCellCapacity } from "../../../control-plane/placement/policy.ts";
import type { CellRecord } from "../../../control-plane/registry/cells.store.ts";
import { demandOf, placeAwayFromDown } from "../../../control-plane/registry/placement.ts";

const slot = { url: "http://127.0.0.1:1", adminUrl: "http://127.0.0.1:2", workerUrl: "http://127.0.0.1:3" };
const tenant = tenantId("019aa000-0000-7000-8000-000000000001");

function cell(id: string, region: string, changes: Partial<CellRecord> = {}): CellRecord {
  return {
    id: cellId(id),
    region,
    slots: { a: slot, b: slot },
    liveSlot: "a",
    release: null,
    cordoned: false,
    ring: "default",
    tiers: [],
    capacity: defaultCellCapacity,
    used: { requestsPerSecond: 0, storageBytes: 0, tenants: 0 },
    tenants: 0,
    ...changes,
  };
}

const down = (...ids: string[]): ReadonlySet<CellId> => new Set(ids.map(cellId));

test("a cell that does not answer is set aside while another fits, and that is said", () => {
  const decision = placeAwayFromDown(
    demandOf(tenant, "free", null),
    [cell("cell-1", "eu"), cell("cell-2", "eu")],
    down("cell-1"),
  );
  assert.equal(decision.cell, "cell-2");
  const set = decision.candidates.find((candidate) => candidate.cell === "cell-1");
  assert.ok(set?.kind === "excluded");
  assert.match(set.text, /does not answer/);
});

test("where nothing else fits, the tenant waits for the cell that does not answer", () => {
  const cells = [cell("cell-1", "eu"), cell("cell-2", "us")];
  assert.equal(placeAwayFromDown(demandOf(tenant, "free", "us"), cells, down("cell-2")).cell, "cell-2");
});

test("a cordon stays a cordon, whether the cell answers or not", () => {
  const cells = [cell("cell-1", "eu", { cordoned: true })];
  assert.throws(() => placeAwayFromDown(demandOf(tenant, "free", null), cells, down("cell-1")), {
    code: "no-cell-fits",
  });
});
