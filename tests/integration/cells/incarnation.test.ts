import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { CellUnderTest, type TestTenant } from "./cell-under-test.ts";

// A cell whose database was restored: the driver has renewed the incarnation file, the leases bear the old life.
let cell: CellUnderTest;
let kept: TestTenant;
let gone: TestTenant;
const restored = "restored-life";

before(async () => {
  cell = await CellUnderTest.start();
  const release = await cell.release("cells/pulse", "1");
  kept = cell.addTenant("kept");
  gone = cell.addTenant("gone");
  await cell.migrate(release);
  await cell.startApi(release);
  for (const tenant of [kept, gone]) await cell.grant(tenant);
});
after(async () => cell.stop());

const confirm = (leases: readonly unknown[], incarnation = restored) =>
  cell.admin("/v1/incarnation/confirm", { body: { incarnation, leases } });

test("in its own life nothing awaits a confirmation", async () => {
  const { body } = await cell.admin("/v1/incarnation");
  assert.deepEqual([body["confirmed"], body["unconfirmed"], body["database"]], [true, 0, body["file"]]);
});

test("fault 9: a restored cell serves nobody and takes no step with a lease until each one is confirmed or dropped", async () => {
  await writeFile(join(cell.folder, "incarnation"), `${restored}\n`);
  const before = await cell.admin("/v1/incarnation");
  assert.deepEqual([before.body["confirmed"], before.body["unconfirmed"], before.body["file"]], [false, 2, restored]);
  const refused = async (answer: Awaited<ReturnType<typeof cell.admin>>) =>
    assert.deepEqual([answer.status, answer.body["code"]], [503, "incarnation-unconfirmed"]);
  await refused(await cell.call(kept, "/v1/stats"));

  const stranger = await confirm([{ tenant: kept.id, epoch: 2 }], "another-life");
  assert.deepEqual([stranger.status, stranger.body["code"]], [409, "confirmation-refused"]);
  const low = await confirm([{ tenant: kept.id, epoch: 1 }]);
  assert.deepEqual([low.status, low.body["code"]], [409, "confirmation-refused"]);

  const part = await confirm([{ tenant: kept.id, epoch: 2 }]);
  assert.deepEqual([part.status, part.body["confirmed"], part.body["unconfirmed"]], [200, false, 1]);
  await refused(await cell.call(kept, "/v1/stats", { epoch: 2 }));

  const whole = await confirm([
    { tenant: kept.id, epoch: 2 },
    { tenant: gone.id, dropped: true },
  ]);
  assert.deepEqual([whole.status, whole.body["confirmed"], whole.body["unconfirmed"]], [200, true, 0]);
  assert.equal((await cell.call(kept, "/v1/stats", { epoch: 2 })).status, 200);
  assert.equal((await cell.call(kept, "/v1/stats", { epoch: 1 })).status, 421);
});

test("what was dropped is held no more, and its old grant is not taken again (I3)", async () => {
  assert.equal((await cell.admin(`/v1/leases/${gone.id}`)).body["code"], "no-lease");
  assert.equal((await cell.call(gone, "/v1/stats")).status, 421);
  assert.equal((await cell.grant(gone)).body["code"], "grant-refused");
  assert.equal((await cell.grant(gone, 2)).body["epoch"], 2);
});
