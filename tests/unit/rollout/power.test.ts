import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { cellId } from "../../../common/ids.ts";
import { defaultJudging } from "../../../control-plane/rollout/judging.ts";
import { powerOf, syntheticLoad, type KnownTraffic } from "../../../control-plane/rollout/power.ts";

const cells = Array.from({ length: 10 }, (_, n) => cellId(`cell-${n + 1}`));
const canary = cells[0] ?? cellId("cell-1");
const hour = 3_600;

/** All cells alike: an hour at so many requests a second, with that share of errors. */
const known = (perSecond: number, errorShare: number): KnownTraffic[] =>
  cells.map((cell) => ({
    cell,
    seconds: hour,
    requests: perSecond * hour,
    errors: Math.round(perSecond * hour * errorShare),
  }));

describe("the power check", () => {
  const cases: readonly [name: string, perSecond: number, errorShare: number, bake: number, reason: RegExp | null][] = [
    ["20 requests/s at 0.1 % show a doubling in an hour", 20, 0.001, hour, null],
    [
      "2 requests/s do not",
      2,
      0.001,
      hour,
      /^it sees 2.0 requests\/s: it cannot show a doubling of its errors in this bake$/,
    ],
    ["20 requests/s do not in twelve seconds", 20, 0.001, 12, /cannot show a doubling/],
    ["2 requests/s do if errors are frequent", 2, 0.02, hour, null],
    ["cells that never err show nothing", 20, 0, hour, /cannot show a doubling/],
    ["an idle cell shows nothing", 0, 0, hour, /nothing is known of its traffic/],
  ];
  for (const [name, perSecond, errorShare, bake, reason] of cases) {
    it(name, () => {
      const power = powerOf(canary, known(perSecond, errorShare), cells.slice(1), bake, 1, defaultJudging);
      assert.equal(power.comparable, reason === null);
      if (reason !== null) assert.match(power.reason, reason);
    });
  }

  it("needs somebody to compare with", () => {
    const power = powerOf(canary, known(20, 0.001), [], hour, 1, defaultJudging);
    assert.match(power.reason, /no cell is left/);
  });

  it("is harder to meet in a wave of many cells, and easier for a larger rise", () => {
    const marginal = known(18, 0.001);
    const check = (cellsInWave: number, detectRatio: number): boolean =>
      powerOf(canary, marginal, cells.slice(1), hour, cellsInWave, { ...defaultJudging, detectRatio }).comparable;
    assert.deepEqual([check(1, 3), check(200, 1.8)], [true, false]);
  });

  it("adds 20/s to a quiet cell, and shares out 500/s where there are many", () => {
    assert.deepEqual(
      [0, 1, 25, 100].map((count) => syntheticLoad(count, defaultJudging)),
      [0, 20, 20, 5],
    );
  });
});
