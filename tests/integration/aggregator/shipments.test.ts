import assert from "node:assert/strict";
import { after, before, beforeEach, afterEach, test } from "node:test";
import { distinctOf } from "../../../aggregator/merge/distinct.ts";
import { wholeSinceHeader } from "../../../common/contracts/rollups.ts";
import { cellId } from "../../../common/ids.ts";
import { type TestPostgres, startPostgres } from "../../support/postgres.ts";
import { AggregatorStage, eventsRow, hourMs, tenant, thisHour } from "./support/stage.ts";

let postgres: TestPostgres;
let stage: AggregatorStage;
before(async () => {
  postgres = await startPostgres();
});
after(async () => {
  await postgres.stop();
});
beforeEach(async () => {
  stage = await AggregatorStage.open(await postgres.freshDatabase(), [
    { id: "cell-1", region: "eu" },
    { id: "cell-2", region: "us" },
  ]);
});
afterEach(async () => {
  await stage.close();
});

const pushed = async (): Promise<Record<string, number>> => {
  const { rows } = await stage.query("events?by=tenant&source=rollup");
  return Object.fromEntries(rows.map(({ key, value }) => [key, value]));
};

test("a shipment sent twice counts once, and values replace what was shipped before", async () => {
  assert.equal(await stage.ship("cell-1", 1, [eventsRow(1, 10), eventsRow(2, 5)]), 2);
  assert.equal(await stage.ship("cell-1", 1, [eventsRow(1, 10), eventsRow(2, 5)]), 2);
  assert.equal(await stage.ship("cell-1", 2, [eventsRow(1, 12)]), 3);
  assert.deepEqual(await pushed(), { "tenant-1": 12, "tenant-2": 5 });
});

test("a gap is noticed, and nothing behind it is taken until it is filled", async () => {
  await stage.ship("cell-1", 1, [eventsRow(1, 1)]);
  assert.equal(await stage.ship("cell-1", 3, [eventsRow(1, 3)]), 2, "the receipt names the missing number");
  assert.deepEqual(await pushed(), { "tenant-1": 1 });
  const status = (await (await stage.get("/v1/status")).json()) as { shippers: { gapSince: string | null }[] };
  assert.notEqual(status.shippers[0]?.gapSince, null);

  assert.equal(await stage.ship("cell-1", 2, [eventsRow(1, 2)]), 3);
  assert.equal(await stage.ship("cell-1", 3, [eventsRow(1, 3)]), 4);
  assert.deepEqual(await pushed(), { "tenant-1": 3 });
});

test("an aggregator that knows nothing asks from the beginning, and one run may stand for all numbers", async () => {
  assert.equal(await stage.ship("cell-1", 57, []), 1);
  assert.equal(await stage.ship("cell-1", 57, [eventsRow(1, 8)], { from: 1 }), 58);
  assert.deepEqual(await pushed(), { "tenant-1": 8 });
});

test("another life of the cell numbers anew", async () => {
  await stage.ship("cell-1", 1, [eventsRow(1, 10)]);
  assert.equal(await stage.ship("cell-1", 1, [eventsRow(1, 7, { epoch: 2 })], { incarnation: "2" }), 2);
  assert.deepEqual(
    await pushed(),
    { "tenant-1": 7 },
    "a restored cell's word counts at its new epoch, though it is less",
  );
});

const hoursAgo = (hours: number): string => new Date(Date.parse(thisHour) - hours * hourMs).toISOString();
const placed = (n: number, cell: string, epoch: number): void => {
  stage.tenants.set(tenant(n), {
    id: tenant(n),
    slug: `tenant-${n}`,
    domains: [],
    tier: "free",
    cell: cellId(cell),
    epoch,
    state: "active",
    reason: null,
    moving: false,
    synthetic: false,
    limits: { requestsPerSecond: 1, inFlight: 1, bodyBytes: 1 },
  });
};

test("hours that a restore has undone are forgotten once the cell has sent all that it holds, and no other hour", async () => {
  const older = hoursAgo(40 * 24);
  await stage.ship("cell-1", 1, [
    eventsRow(1, 1_000, { bucket: older }),
    eventsRow(1, 100, { bucket: hoursAgo(2) }),
    eventsRow(1, 10, { bucket: hoursAgo(1) }),
    eventsRow(1, 1),
    eventsRow(2, 5),
    eventsRow(3, 7),
  ]);
  await stage.ship("cell-2", 1, [eventsRow(4, 9)]);
  // Back to two hours ago: one hour is as it was, one has less, two are gone; tenant 2 lost everything, tenant 3 was given away before.
  for (const [n, cell, epoch] of [
    [1, "cell-1", 2],
    [2, "cell-1", 2],
    [3, "cell-2", 1],
    [4, "cell-2", 1],
  ] as const)
    placed(n, cell, epoch);
  const life = { incarnation: "2" };
  await stage.ship("cell-1", 1, [eventsRow(1, 60, { bucket: hoursAgo(2), epoch: 2 })], life);
  const all = `${older}&to=${new Date(Date.parse(thisHour) + hourMs).toISOString()}`;
  const totals = async (): Promise<Record<string, number>> => {
    const { rows } = await stage.query(`events?by=tenant&source=rollup&from=${all}`);
    return Object.fromEntries(rows.map(({ key, value }) => [key, value]));
  };
  assert.equal((await totals())["tenant-1"], 1_071, "it may still have more to send");
  await stage.ship("cell-1", 2, [], life, { [wholeSinceHeader]: hoursAgo(34 * 24) });
  assert.deepEqual(await totals(), { "tenant-1": 1_060, "tenant-3": 7, "tenant-4": 9 });
});

test("of a tenant that moved the highest epoch counts, once, whoever ships last", async () => {
  await stage.ship("cell-1", 1, [eventsRow(1, 10)]);
  await stage.ship("cell-2", 1, [eventsRow(1, 15, { epoch: 2 })]);
  await stage.ship("cell-1", 2, [eventsRow(1, 99)]);
  const { rows, total } = await stage.query("events?by=cell&source=rollup");
  assert.deepEqual(rows, [{ key: "cell-2", value: 15 }]);
  assert.equal(total, 15);
});

test("synthetic tenants are in no total", async () => {
  await stage.ship("cell-1", 1, [eventsRow(1, 10), eventsRow(2, 1_000, { synthetic: true, tier: "synthetic" })]);
  assert.deepEqual(await pushed(), { "tenant-1": 10 });
});

test("distinct users merge over hours and add up over tenants", async () => {
  const users = (n: number, names: string[], bucket = thisHour) =>
    eventsRow(n, 0, { aggregate: "active-users", merge: "distinct", value: distinctOf(names), bucket });
  const before = new Date(Date.parse(thisHour) - hourMs).toISOString();
  await stage.ship("cell-1", 1, [users(1, ["ann", "bob"]), users(1, ["bob", "cid"], before), users(2, ["ann"])]);
  const { rows, total } = await stage.query("active-users?by=tenant&source=rollup");
  assert.deepEqual(rows, [
    { key: "tenant-1", value: 3 },
    { key: "tenant-2", value: 1 },
  ]);
  assert.equal(total, 4);
});

test("rows older than the retention time are not kept", async () => {
  const longAgo = new Date(Date.parse(thisHour) - 91 * 24 * hourMs).toISOString();
  await stage.ship("cell-1", 1, [eventsRow(1, 10, { bucket: longAgo }), eventsRow(1, 3)]);
  assert.deepEqual(await pushed(), { "tenant-1": 3 });
});

test("a cell ships for itself only; without a token, or with a stranger's, nothing is taken", async () => {
  const shipment = {
    cell: cellId("cell-2"),
    incarnation: "1",
    number: 1,
    asOf: new Date().toISOString(),
    rows: [eventsRow(1, 10)],
  };
  const forged = await stage.post("cell-1", shipment);
  assert.equal(forged.status, 403);
  assert.equal(((await forged.json()) as { code: string }).code, "not-your-shipment");
  const unsigned = await fetch(forged.url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(shipment),
  });
  assert.equal(unsigned.status, 401);
  assert.deepEqual(await pushed(), {});
});

test("a malformed shipment is refused whole", async () => {
  const shipment = {
    cell: cellId("cell-1"),
    incarnation: "1",
    number: 1,
    asOf: new Date().toISOString(),
    rows: [eventsRow(1, 1), { ...eventsRow(2, 2), surprise: true }],
  };
  assert.equal((await stage.post("cell-1", shipment)).status, 400);
  assert.deepEqual(await pushed(), {});
});

test("a tenant is counted at the cell that the fleet document names, when it knows the higher epoch", async () => {
  await stage.ship("cell-1", 1, [eventsRow(1, 10)]);
  await stage.ship("cell-2", 1, []);
  placed(1, "cell-2", 2);
  assert.deepEqual((await stage.query("events?by=region&source=rollup")).rows, [{ key: "us", value: 10 }]);
});
