import assert from "node:assert/strict";
import test from "node:test";
import { cellId, matches, partId, type patterns, releaseName, splitRelease, tenantId } from "../../../common/ids.ts";
import { uuidv7 } from "../../../common/uuid.ts";

const label63 = "a".repeat(63);
const names: Readonly<Record<keyof typeof patterns, { fit: readonly string[]; unfit: readonly string[] }>> = {
  cell: { fit: ["cell-1", "ab"], unfit: ["", "a", "1cell", "cell-", "Cell", "cell_1", "cell 1", `c${"x".repeat(32)}`] },
  slug: { fit: ["acme", "7", "a-b", label63], unfit: ["", "-a", "a-", "A", "a.b", "ä", `${label63}a`, "a\n"] },
  uuid: {
    fit: ["0198c0de-0000-7000-8000-000000000000"],
    unfit: [
      "0198C0DE-0000-7000-8000-000000000000",
      "0198c0de00007000800000000000000",
      "0198c0de-0000-7000-8000-00000000000g",
    ],
  },
  application: { fit: ["pulse", "p", "my-app2"], unfit: ["", "2app", "Pulse", "pulse@1", "../pulse"] },
  release: {
    fit: ["pulse@2", "pulse@3-bad", "pulse@1.2.3"],
    unfit: ["pulse", "pulse@", "pulse@bad", "pulse@1/..", "@1", "pulse@1@2"],
  },
  region: { fit: ["eu", "us-east-1"], unfit: ["", "EU", "1eu", "eu/us"] },
  part: { fit: ["router-1", "aggregator"], unfit: ["", "-router", "router.1", `r${"x".repeat(63)}`] },
  sha256: { fit: ["0".repeat(64)], unfit: ["0".repeat(63), "A".repeat(64), `${"0".repeat(64)}\n`] },
};

for (const [kind, { fit, unfit }] of Object.entries(names) as [keyof typeof patterns, (typeof names)["cell"]][]) {
  test(`${kind}: what has its shape fits, all else does not`, () => {
    for (const text of fit) assert.ok(matches(kind, text), `${JSON.stringify(text)} should fit`);
    for (const text of unfit) assert.ok(!matches(kind, text), `${JSON.stringify(text)} should not fit`);
  });
}

test("a parser gives the text back, or says what it wanted without repeating endless input", () => {
  assert.equal(cellId("cell-1"), "cell-1");
  assert.equal(partId("router-1"), "router-1");
  assert.throws(() => tenantId("acme"), { name: "TypeError", message: 'not a uuid: "acme"' });
  assert.throws(
    () => cellId("x".repeat(10_000)),
    (error: Error) => error.message.length < 200,
  );
});

test("a release's name is its application and its version", () => {
  assert.deepEqual(splitRelease(releaseName("pulse@3-bad")), { application: "pulse", version: "3-bad" });
});

test("UUIDs of version 7 carry their time, sort by it, and never repeat", () => {
  const early = uuidv7(1_700_000_000_000);
  const late = uuidv7(1_700_000_000_001);
  assert.match(early, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(Number.parseInt(early.replaceAll("-", "").slice(0, 12), 16), 1_700_000_000_000);
  assert.ok(early < late);
  assert.equal(new Set(Array.from({ length: 1_000 }, () => uuidv7(1))).size, 1_000);
  assert.ok(matches("uuid", uuidv7()));
});
