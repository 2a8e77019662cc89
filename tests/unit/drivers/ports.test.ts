import assert from "node:assert/strict";
import { test } from "node:test";
import { blocksBelow, cellPorts, fleetPorts, maxLocalCells } from "../../../cells/drivers/local/ports.ts";

const numbers = (value: object): number[] =>
  Object.values(value).flatMap((member: unknown) =>
    typeof member === "object" && member !== null ? numbers(member) : [member as number],
  );

test("no port of a block is given twice, and none leaves the block", () => {
  const [first, second] = blocksBelow(32_768);
  assert.ok(first !== undefined && second !== undefined);
  const given = [
    ...numbers(fleetPorts(first)),
    ...Array.from({ length: maxLocalCells }, (_, index) => numbers(cellPorts(first, index))).flat(),
  ];
  assert.equal(new Set(given).size, given.length);
  assert.ok(Math.min(...given) >= first && Math.max(...given) < second);
});

test("a cell beyond the block's end is refused", () => {
  assert.throws(() => cellPorts(20_000, maxLocalCells), RangeError);
  assert.throws(() => cellPorts(20_000, -1), RangeError);
});

test("blocks lie below the ephemeral range, or anywhere where that range begins too low to leave room", () => {
  assert.ok(blocksBelow(32_768).every((block) => block >= 20_000 && block + 320 <= 32_768));
  assert.ok(blocksBelow(1_024).length > 100);
});
