import assert from "node:assert/strict";
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { cellPaths } from "../../../cells/drivers/local/cell-layout.ts";
import { readCellSecrets } from "../../../cells/drivers/local/cell-secrets.ts";
import { cellPorts } from "../../../cells/drivers/local/ports.ts";
import { cellId } from "../../../common/ids.ts";
import { connect, sqlState } from "../../../common/postgres/pool.ts";
import { StandInReleases } from "../../conformance/stand-in-releases.ts";
import { canMakeDisks, smallDisk } from "../../support/small-disk.ts";
import { openStage } from "./local-stage.ts";

const cell = cellId("cell-1");

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 90_000; performance.now() < deadline; await sleep(100))
    if (await condition()) return;
  assert.fail(`waited in vain: ${what}`);
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

// Only root can mount a disk that is small enough to be filled. What keeps a cell from coming so far is tested everywhere (cells/disk.test.ts), and so are the
// ballast's coming and going (upkeep.test.ts).
if (canMakeDisks)
  test("fault 25: PostgreSQL that the full disk ended comes back in the room of the ballast, with all that was acknowledged", async () => {
    const disk = await smallDisk(600);
    const before = process.env["TMPDIR"];
    process.env["TMPDIR"] = disk.folder;
    const stage = await openStage(new StandInReleases()).finally(() => {
      if (before === undefined) delete process.env["TMPDIR"];
      else process.env["TMPDIR"] = before;
    });
    try {
      await stage.driver.provision({ id: cell, region: "eu" });
      const { ballast, secrets } = cellPaths(stage.home, cell);
      await until("the ballast is there", () => isThere(ballast));
      const password = (await readCellSecrets(secrets))?.owner ?? assert.fail("there are credentials");
      const url = `postgres://cell_owner:${password}@127.0.0.1:${cellPorts(stage.block, 0).postgres}/cell`;
      await stage.supervisor.waitHealthy("cell-1-postgres", 60_000);

      // The supervisor sleeps, or it would give the ballast up before the disk is full.
      process.kill(stage.supervisor.pid, "SIGSTOP");
      let acknowledged = 0;
      try {
        const client = await connect(url, "test");
        await client.query("CREATE TABLE ledger (id int PRIMARY KEY)");
        for (; acknowledged < 100; acknowledged++) await client.query("INSERT INTO ledger VALUES ($1)", [acknowledged]);
        await disk.fillTo(0);
        // A table that cannot grow fails one statement; a log that cannot grow ends the server, so the log is what grows here.
        for (const deadline = performance.now() + 60_000; ;) {
          assert.ok(performance.now() < deadline, "the log comes to the disk's end");
          try {
            await client.query("SELECT pg_logical_emit_message(false, 'test', repeat('x', 1000000))");
          } catch (error) {
            if (sqlState(error) !== "53100") break;
          }
        }
        assert.ok((await disk.freeMb()) < 1, "and there is no room in which it could come back");
      } finally {
        process.kill(stage.supervisor.pid, "SIGCONT");
      }

      // Nobody does anything.
      await until("it takes writes again", async () => {
        try {
          const client = await connect(url, "test");
          try {
            await client.query("INSERT INTO ledger VALUES (-1)");
            return true;
          } finally {
            await client.end();
          }
        } catch {
          return false;
        }
      });
      assert.equal(await isThere(ballast), false, "the ballast was given up for this");
      const client = await connect(url, "test");
      const { rows } = await client.query<{ id: number }>("SELECT id FROM ledger WHERE id >= 0 ORDER BY id");
      await client.end();
      assert.deepEqual(
        rows.map(({ id }) => id),
        Array.from({ length: acknowledged }, (_, id) => id),
      );

      await rm(join(disk.folder, "filler"));
      await until("the ballast is made anew", () => isThere(ballast));
    } finally {
      await stage.close();
      await disk.remove();
    }
  });
