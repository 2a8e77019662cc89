import assert from "node:assert/strict";
import test from "node:test";
import { setImmediate } from "node:timers/promises";
import { FairShare } from "../../../cells/kit/fair-share.ts";
import { CellplaneError } from "../../../common/errors.ts";
import { tenantId } from "../../../common/ids.ts";
import { uuidv7 } from "../../../common/uuid.ts";

const flood = tenantId(uuidv7());
const calm = tenantId(uuidv7());
const other = tenantId(uuidv7());

/** Enters, and notes when it was admitted. */
function enters(share: FairShare, tenant: typeof flood, admitted: string[], name: string): Promise<void> {
  return share.enter(tenant).then(() => void admitted.push(name));
}

/** Whatever can go on has gone on. */
const settled = (): Promise<void> => setImmediate();

test("one tenant holds half of the connections at most, a fifth while another wants some, and others find one free", async () => {
  let nowMs = 0;
  const share = new FairShare(8, undefined, { monotonic: () => nowMs });
  const admitted: string[] = [];
  const waiting = [1, 2, 3, 4, 5, 6, 7].map((n) => enters(share, flood, admitted, `flood ${n}`));
  await settled();
  assert.deepEqual(admitted, ["flood 1", "flood 2", "flood 3", "flood 4"]);
  await enters(share, calm, admitted, "calm");
  share.leave(flood);
  share.leave(flood);
  await settled();
  assert.equal(admitted.at(-1), "calm", "it has its fifth already");
  share.leave(flood);
  await settled();
  assert.equal(admitted.at(-1), "flood 5");
  share.leave(calm);
  nowMs += 1_000;
  share.leave(flood);
  await settled();
  share.leave(flood);
  await Promise.all(waiting);
  assert.equal(admitted.at(-1), "flood 7");
});

test("a share that has grown is filled by those who wait, in their order, before whoever comes", async () => {
  let nowMs = 0;
  const share = new FairShare(8, undefined, { monotonic: () => nowMs });
  const admitted: string[] = [];
  await share.enter(calm);
  const waiting = [1, 2, 3, 4, 5, 6].map((n) => enters(share, flood, admitted, `flood ${n}`));
  await settled();
  assert.deepEqual(admitted, ["flood 1", "flood 2"]);
  share.leave(calm);
  nowMs += 1_000;
  waiting.push(enters(share, flood, admitted, "late"));
  await settled();
  assert.deepEqual(admitted, ["flood 1", "flood 2", "flood 3", "flood 4"]);
  for (let n = 0; n < 4; n++) share.leave(flood);
  await Promise.all(waiting);
  assert.equal(admitted.at(-1), "late");
});

test("a share grows when the others have gone, though nobody comes or leaves", async () => {
  const share = new FairShare(4);
  await share.enter(calm);
  await share.enter(flood);
  share.leave(calm);
  // The first is held for long, as by a report; of four one may be held in company, two alone.
  await share.enter(flood);
  // Whoever waited before there was company is let in too.
  const next = share.enter(flood);
  await share.enter(calm);
  share.leave(calm);
  share.leave(flood);
  await next;
});

test("in company, whose queue is half full holds a tenth, until it is not", async () => {
  const share = new FairShare(10, undefined, { monotonic: () => 0 });
  const admitted: string[] = [];
  await share.enter(calm);
  const waiting = Array.from({ length: 54 }, (_, n) => enters(share, flood, admitted, String(n)));
  await settled();
  assert.equal(admitted.length, 2, "a fifth, before its queue was half full; 52 wait");
  share.leave(flood);
  await settled();
  assert.equal(admitted.length, 2, "one ended, and none began");
  share.leave(flood);
  await settled();
  assert.equal(admitted.length, 3);
  share.leave(flood);
  await settled();
  // 50 wait: half of what may.
  assert.equal(admitted.length, 5, "a fifth again");
  while (admitted.length < 54) {
    share.leave(flood);
    await settled();
  }
  await Promise.all(waiting);
});

test("who waits is admitted in turns of tenants, not in the order of arrival", async () => {
  const share = new FairShare(1);
  const admitted: string[] = [];
  await share.enter(other);
  const waiting = [
    ...[1, 2, 3].map((n) => enters(share, flood, admitted, `flood ${n}`)),
    enters(share, calm, admitted, "calm 1"),
    enters(share, calm, admitted, "calm 2"),
  ];
  share.leave(other);
  for (const tenant of [flood, calm, flood, calm, flood]) {
    await settled();
    share.leave(tenant);
  }
  await Promise.all(waiting);
  assert.deepEqual(admitted, ["flood 1", "calm 1", "flood 2", "calm 2", "flood 3"]);
});

test("what does not fit into a tenant's queue is refused to that tenant alone", async () => {
  const share = new FairShare(2);
  const held = share.enter(flood);
  const waiting = Array.from({ length: 20 }, () => share.enter(flood));
  await assert.rejects(
    share.enter(flood),
    (error) => error instanceof CellplaneError && error.code === "too-many-at-once" && error.status === 429,
  );
  await share.enter(calm);
  share.leave(calm);
  await held;
  for (const each of waiting) {
    share.leave(flood);
    await each;
  }
});

test("a wait ends, and its place goes to somebody else", { timeout: 30_000 }, async () => {
  const share = new FairShare(1);
  await share.enter(flood);
  await Promise.all([
    assert.rejects(share.enter(calm), { code: "cell-unavailable" }),
    assert.rejects(share.enter(flood), { code: "too-many-at-once" }),
  ]);
  const next = share.enter(other);
  share.leave(flood);
  await next;
});
