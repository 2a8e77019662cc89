import assert from "node:assert/strict";
import { test } from "node:test";
import { distinctOf } from "../../../aggregator/merge/distinct.ts";
import { answerOf } from "../../../aggregator/views/answer.ts";
import { liveMeasure, oncePerTenant, rollupMeasure, type TenantPart } from "../../../aggregator/views/part.ts";
import { spanOf } from "../../../aggregator/views/span.ts";
import { CellplaneError } from "../../../common/errors.ts";
import { cellId, tenantId } from "../../../common/ids.ts";

const part = (n: number, value: number, more: Partial<TenantPart> = {}): TenantPart => ({
  tenant: tenantId(`00000000-0000-7000-8000-00000000000${n}`),
  epoch: 1,
  cell: cellId("cell-1"),
  slug: `t${n}`,
  tier: "free",
  measure: { kind: "sum", value },
  ...more,
});

test("of two words about one tenant the higher epoch counts, wherever it stands", () => {
  const older = part(1, 10, { epoch: 1 });
  const newer = part(1, 11, { epoch: 2, cell: cellId("cell-2") });
  assert.deepEqual(oncePerTenant([older, newer]), [newer]);
  assert.deepEqual(oncePerTenant([newer, older]), [newer]);
});

test("rows come largest first, equal ones by name; a cell without a region is said to be of an unknown one", () => {
  const parts = [part(2, 5), part(1, 5), part(3, 9, { cell: cellId("cell-2") })];
  const regions = new Map([[cellId("cell-1"), "eu"]]);
  assert.deepEqual(
    answerOf({ by: "tenant", regions }, parts).rows.map(({ key }) => key),
    ["t3", "t1", "t2"],
  );
  assert.deepEqual(answerOf({ by: "region", regions }, parts).rows, [
    { key: "eu", value: 10 },
    { key: "unknown", value: 9 },
  ]);
});

test("no parts are no rows and a total of zero", () => {
  assert.deepEqual(answerOf({ by: "cell", regions: new Map() }, []), { rows: [], total: 0 });
});

test("members counted live and members counted from sketches add up; what is no sum is refused", () => {
  const parts = [part(1, 2), part(2, 0, { measure: { kind: "distinct-count", value: 3 } })];
  assert.equal(answerOf({ by: "tenant", regions: new Map() }, parts).total, 5);
  const least = [part(1, 0, { measure: { kind: "min", value: 3 } })];
  assert.throws(() => answerOf({ by: "tenant", regions: new Map() }, least), { code: "not-additive" });
});

test("distinct members merge over a tenant's hours, whether as a sketch or counted by the cell", () => {
  const hours = [distinctOf(["a", "b"]), distinctOf(["b", "c"])];
  assert.deepEqual(rollupMeasure("distinct", hours), { kind: "distinct-count", value: 3 });
  assert.deepEqual(liveMeasure("distinct", distinctOf(["a"])), { kind: "distinct-count", value: 1 });
  assert.deepEqual(liveMeasure("distinct", 7), { kind: "distinct-count", value: 7 });
});

test("a span is widened to whole hours, the last day by default", () => {
  const now = Date.parse("2026-03-04T10:20:30Z");
  const day = spanOf(undefined, undefined, now, 90);
  assert.deepEqual(
    [day.from.toISOString(), day.to.toISOString()],
    ["2026-03-03T11:00:00.000Z", "2026-03-04T11:00:00.000Z"],
  );
  const narrow = spanOf("2026-03-04T08:59:00Z", "2026-03-04T09:01:00Z", now, 90);
  assert.deepEqual(
    [narrow.from.toISOString(), narrow.to.toISOString()],
    ["2026-03-04T08:00:00.000Z", "2026-03-04T10:00:00.000Z"],
  );
});

for (const [from, to] of [
  ["2026-03-04T12:00:00Z", undefined],
  ["2020-01-01T00:00:00Z", undefined],
  ["2026-03-04T09:00:00Z", "2026-03-04T09:00:00Z"],
]) {
  test(`a span from ${from} to ${to ?? "now"} is refused`, () => {
    assert.throws(
      () => spanOf(from, to, Date.parse("2026-03-04T10:20:30Z"), 90),
      (error) => error instanceof CellplaneError && error.code === "bad-span",
    );
  });
}
