import assert from "node:assert/strict";
import test from "node:test";
import { troubles, type Kind } from "../../../scripts/faults/list.ts";
import { faultsPage, shownOn } from "../../../scripts/faults/page.ts";
import { namePattern, numberOf, scanTests, testsIn, type TroubleNumber } from "../../../scripts/faults/scan.ts";

test("each number that a test bears is on the list", () => {
  const unknown = scanTests().filter(({ number }) => {
    const [kind, count] = number.split(" ") as [Kind, string];
    return !troubles[kind].some((trouble) => trouble.number === Number(count));
  });
  assert.deepEqual(unknown, []);
});

test("the page calls shown what a test bears, and nothing else", () => {
  const borne = new Set(scanTests().map(({ number }) => number));
  assert.ok(borne.size > 0);
  assert.deepEqual([...shownOn(faultsPage())].toSorted(), [...borne].toSorted());
});

test("a numbered test is found in whatever quotes, with its name on the same line or the next", () => {
  // Put together here, or the scan would find them in this file too.
  const call = (name: string, gap = ""): string => `te${"st"}(${gap}${name}, run);`;
  const found = testsIn(
    [
      call('"fault 4: a"'),
      call("'attack 17: it\\'s b'", "\n  "),
      call("`fault 12: c`"),
      call('"I2, fault 3: not at the beginning"'),
      'describe("fault 9: a suite", run);',
    ].join(" "),
  );
  assert.deepEqual(found, [
    { number: "fault 4", name: "fault 4: a" },
    { number: "attack 17", name: "attack 17: it's b" },
    { number: "fault 12", name: "fault 12: c" },
  ]);
});

test("a number is only what a name begins with", () => {
  assert.equal(numberOf("fault 24: one tenant floods"), "fault 24");
  assert.equal(numberOf("fault 24 one tenant floods"), undefined);
  assert.equal(numberOf("the fault 24: of somebody"), undefined);
});

test("the pattern for node matches these numbers alone, within suites too", () => {
  const numbers: TroubleNumber[] = ["fault 4", "attack 17"];
  const pattern = new RegExp(namePattern(new Set(numbers)).slice(1, -1));
  assert.ok(pattern.test("a fleet with parts dying fault 4: an API"));
  assert.ok(pattern.test("attack 17: a text for a number"));
  assert.ok(!pattern.test("fault 34: a supervisor"));
  assert.ok(!pattern.test("fault 40: something else"));
});
