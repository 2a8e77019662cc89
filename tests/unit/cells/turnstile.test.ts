import assert from "node:assert/strict";
import test from "node:test";
import { setImmediate } from "node:timers/promises";
import { Turnstile } from "../../../cells/kit/turnstile.ts";
import { tenantId } from "../../../common/ids.ts";
import { uuidv7 } from "../../../common/uuid.ts";

const flood = tenantId(uuidv7());
const calm = tenantId(uuidv7());

test("who comes while few do goes through at once, turn after turn", async () => {
  const turnstile = new Turnstile();
  for (let turn = 0; turn < 3; turn++) {
    for (let n = 0; n < 4; n++) assert.equal(turnstile.enter(flood), undefined);
    await setImmediate();
    await setImmediate();
  }
});

test("behind fifty requests of one tenant another's is next, and all come in, four a turn", async () => {
  const turnstile = new Turnstile();
  const begun: string[] = [];
  const enters = async (tenant: typeof flood, name: string): Promise<void> => {
    await turnstile.enter(tenant);
    begun.push(name);
  };
  const all = Array.from({ length: 50 }, (_, n) => enters(flood, `flood ${n}`));
  all.push(enters(calm, "calm 1"), enters(calm, "calm 2"));
  await Promise.resolve();
  assert.equal(begun.length, 4);
  await setImmediate();
  await setImmediate();
  assert.ok(begun.indexOf("calm 1") >= 4 && begun.indexOf("calm 1") <= 5, begun.join());
  assert.ok(begun.indexOf("calm 2") <= 7, begun.join());
  let turns = 2;
  for (; begun.length < 52 && turns < 60; turns++) await setImmediate();
  assert.ok(turns <= 52 / 4 + 2, `four in each turn: it took ${turns}`);
  await Promise.all(all);
  assert.deepEqual(
    begun.filter((name) => name.startsWith("flood")),
    Array.from({ length: 50 }, (_, n) => `flood ${n}`),
    "a tenant's own stay in their order",
  );
});

test("what comes while others wait does not overtake them", async () => {
  const turnstile = new Turnstile();
  const begun: string[] = [];
  const waits = Array.from({ length: 10 }, async (_, n) => {
    await turnstile.enter(flood);
    begun.push(`first ${n}`);
  });
  const late = (async () => {
    await turnstile.enter(flood);
    begun.push("late");
  })();
  await Promise.all([...waits, late]);
  assert.equal(begun.at(-1), "late");
});
