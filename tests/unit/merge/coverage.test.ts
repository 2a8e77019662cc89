import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { coverageOf, type CellResult } from "../../../aggregator/merge/coverage.ts";
import { cellId } from "../../../common/ids.ts";

const nowMs = Date.parse("2026-03-01T12:00:00.000Z");
const staleAfterMs = 10_000;
const [one, two, three] = [cellId("cell-1"), cellId("cell-2"), cellId("cell-3")];
const answered = (cell: typeof one, ageMs = 0): CellResult => ({ cell, kind: "answered", asOfMs: nowMs - ageMs });

describe("the coverage of an answer", () => {
  it("is complete when every expected cell answered freshly", () => {
    const coverage = coverageOf([two, one], [answered(one), answered(two, staleAfterMs)], nowMs, staleAfterMs);
    assert.deepEqual(coverage, {
      complete: true,
      expected: [one, two],
      answered: [one, two],
      stale: [],
      failed: [],
      asOf: { "cell-1": "2026-03-01T12:00:00.000Z", "cell-2": "2026-03-01T11:59:50.000Z" },
    });
  });

  it("names cells that failed, were silent or are too old", () => {
    const results: CellResult[] = [answered(one, staleAfterMs + 1), { cell: two, kind: "failed" }];
    const coverage = coverageOf([one, two, three], results, nowMs, staleAfterMs);
    assert.equal(coverage.complete, false);
    assert.deepEqual([coverage.answered, coverage.stale, coverage.failed], [[], [one], [two, three]]);
    assert.deepEqual(coverage.asOf, { "cell-1": "2026-03-01T11:59:49.999Z", "cell-2": null, "cell-3": null });
  });

  it("counts a cell once, by its newest part, also when another try failed", () => {
    const results: CellResult[] = [answered(one, 60_000), { cell: one, kind: "failed" }, answered(one, 5)];
    assert.deepEqual(coverageOf([one], results, nowMs, staleAfterMs).answered, [one]);
  });

  it("leaves out cells that are not expected", () => {
    const coverage = coverageOf([one], [answered(one), answered(two)], nowMs, staleAfterMs);
    assert.equal(coverage.complete, true);
    assert.deepEqual(Object.keys(coverage.asOf), ["cell-1"]);
  });

  it("is never complete when no cell was expected", () => {
    assert.equal(coverageOf([], [answered(one)], nowMs, staleAfterMs).complete, false);
  });
});
