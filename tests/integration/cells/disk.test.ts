import assert from "node:assert/strict";
import { rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { uuidv7 } from "../../../common/uuid.ts";
import { canMakeDisks, smallDisk } from "../../support/small-disk.ts";
import { CellUnderTest, type TestTenant } from "./cell-under-test.ts";
import { until } from "./http-call.ts";

const write = (cell: CellUnderTest, tenant: TestTenant) => {
  const event = { id: uuidv7(), type: "ledger", user: "test", at: new Date().toISOString() };
  return cell.call(tenant, "/v1/events", { body: { events: [event] } });
};
const count = async (cell: CellUnderTest, tenant: TestTenant): Promise<number> => {
  const { status, body } = await cell.call(tenant, "/v1/stats");
  assert.equal(status, 200, "reading goes on");
  return body["events"] as number;
};

/**
 * Drives a cell through a full disk and back. `fill` and `clear` make it so, in whatever way.
 */
async function throughFullDisk(
  cell: CellUnderTest,
  env: Record<string, string>,
  fill: () => Promise<void>,
  clear: () => Promise<void>,
): Promise<void> {
  const release = await cell.release("cells/pulse", "1");
  const tenant = cell.addTenant("acme");
  await cell.migrate(release);
  await cell.startApi(release, "a", 60_000, env);
  assert.equal((await cell.grant(tenant)).status, 200);
  let acknowledged = 0;
  for (; acknowledged < 20; acknowledged++) assert.equal((await write(cell, tenant)).status, 202);

  await fill();
  await until(
    "writes are refused",
    async () => {
      const { status } = await write(cell, tenant);
      if (status === 202) acknowledged++;
      return status !== 202;
    },
    30_000,
  );
  const refused = await write(cell, tenant);
  assert.deepEqual([refused.status, refused.body["code"]], [503, "disk-nearly-full"]);
  assert.ok(Number(refused.headers.get("retry-after")) > 0, "it says when to come again");
  assert.equal(refused.headers.get("cellplane-not-executed"), "disk-nearly-full");
  assert.equal(await count(cell, tenant), acknowledged);
  const { body } = await cell.admin("/v1/status");
  assert.equal(body["ready"], false);
  assert.match(String((body["problems"] as string[])[0]), /^disk-nearly-full/);

  await clear();
  await until("writes are taken again", async () => (await write(cell, tenant)).status === 202, 30_000);
  acknowledged++;
  assert.equal(
    await count(cell, tenant),
    acknowledged,
    "nothing that was acknowledged is lost, and nothing refused was done",
  );
  await until("it is ready again", async () => (await cell.admin("/v1/status")).body["ready"] === true, 30_000);
}

test("fault 25: below the floor of free space writes are 503 with Retry-After, reads go on, and it recovers unaided", async () => {
  const cell = await CellUnderTest.start();
  try {
    // The kernel says of /proc that nothing is free there: a full disk that anybody can have.
    const watched = join(cell.folder, "watched");
    const point = async (target: string): Promise<void> => {
      await rm(`${watched}.new`, { force: true });
      await symlink(target, `${watched}.new`);
      await rename(`${watched}.new`, watched);
    };
    await point(cell.folder);
    await throughFullDisk(
      cell,
      { DATA_DIRECTORY: watched, DISK_FLOOR_MB: "1" },
      () => point("/proc"),
      () => point(cell.folder),
    );
  } finally {
    await cell.stop();
  }
});

// Only root can mount a disk that is small enough to be filled; the test above runs everywhere.
if (canMakeDisks)
  test("fault 25: on a real disk of 400 MB that is filled, PostgreSQL never comes to its limit", async () => {
    const disk = await smallDisk(400);
    const before = process.env["TMPDIR"];
    process.env["TMPDIR"] = disk.folder;
    const cell = await CellUnderTest.start().finally(() => {
      if (before === undefined) delete process.env["TMPDIR"];
      else process.env["TMPDIR"] = before;
    });
    try {
      const { pid } = cell.postgres;
      await throughFullDisk(
        cell,
        { DATA_DIRECTORY: disk.folder, DISK_FLOOR_MB: "64" },
        () => disk.fillTo(40).then(() => undefined),
        () => rm(join(disk.folder, "filler")),
      );
      assert.equal(cell.postgres.pid, pid);
      process.kill(pid, 0);
    } finally {
      await cell.stop();
      await disk.remove();
    }
  });
