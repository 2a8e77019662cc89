import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createBackup, readBackups } from "../../../cells/drivers/local/backup/backups.ts";
import { drillRestore } from "../../../cells/drivers/local/backup/drill.ts";
import { restoreTenantAs, restoreTenantInPlace } from "../../../cells/drivers/local/backup/restore-tenant.ts";
import { BackupSchedule } from "../../../cells/drivers/local/supervisor/backup-schedule.ts";
import { systemClock } from "../../../common/clock.ts";
import { tenantId } from "../../../common/ids.ts";
import { createLog } from "../../../common/log.ts";
import { until } from "../cells/http-call.ts";
import { RestoreStage, cellOne, cellTwo } from "./stage.ts";

describe("restoring one tenant, and drilling", () => {
  let stage: RestoreStage;
  let moment: Date;
  before(async () => {
    stage = await RestoreStage.open();
    await stage.createTenant("acme", cellOne);
    await stage.createTenant("globex", cellOne);
    await createBackup(await stage.database(cellOne), means());
    await stage.write("acme", "kept", 7);
    await stage.write("globex", "kept", 3);
    moment = new Date();
    await sleep(50);
  });
  after(() => stage?.close());

  const means = () => ({ supervisor: stage.supervisor, clock: systemClock });

  test("fault 9: a tenant is put back in its place one epoch higher, and no other tenant's row is touched", async () => {
    await stage.write("acme", "regretted", 4);
    await stage.write("globex", "later", 2);
    const { id, epoch } = await stage.tenant("acme");
    const globex = await fingerprint("globex");
    const cell = await stage.database(cellOne);
    const restored = await restoreTenantInPlace(cell, cell, means(), { tenant: tenantId(id), epoch, until: moment });
    assert.equal(restored.epoch, epoch + 1);
    assert.equal(restored.tables.find(({ name }) => name === "public.notes")?.rows, 7);
    assert.deepEqual([await stage.count("acme", "kept"), await stage.count("acme", "regretted")], [7, 0]);
    assert.equal(await fingerprint("globex"), globex, "I8");

    const old = await stage.request("acme", "/v1/cached?store=yes", { epoch });
    assert.equal(old.status, 421, "whoever holds the old epoch is refused");
    assert.equal((await stage.plane.call("POST", "/v1/tenants/acme/follow", {})).body["epoch"], epoch + 1);
    await stage.write("acme", "new", 1);
  });

  /** All that a tenant has in the application's tables, versions of rows included. */
  async function fingerprint(slug: string): Promise<string> {
    const { id } = await stage.tenant(slug);
    const text =
      "SELECT coalesce(string_agg(id::text || note || xmin::text, ',' ORDER BY id), '') AS all FROM notes WHERE tenant_id = $1";
    return (await stage.sql<{ all: string }>(cellOne, text, [id]))[0]?.all ?? "";
  }

  test("a restore of a tenant that another operation outran changes nothing", async () => {
    const { id, epoch } = await stage.tenant("acme");
    const before = await fingerprint("acme");
    const cell = await stage.database(cellOne);
    const wish = { tenant: tenantId(id), epoch: epoch - 1, until: moment };
    await assert.rejects(restoreTenantInPlace(cell, cell, means(), wish), { code: "restore-failed" });
    assert.equal(await fingerprint("acme"), before);
    const absent = { tenant: tenantId("01900000-0000-7000-8000-000000000000"), epoch: 1, until: moment };
    await assert.rejects(restoreTenantInPlace(cell, cell, means(), absent), { code: "tenant-not-in-backup" });
  });

  test("a new tenant in another cell gets what a tenant had, and none of its jobs", async () => {
    const copy = await stage.createTenant("acme-then", cellTwo);
    const { id } = await stage.tenant("acme");
    const [from, into] = await Promise.all([stage.database(cellOne), stage.database(cellTwo)]);
    const wish = { tenant: tenantId(id), as: tenantId(copy), until: moment };
    const restored = await restoreTenantAs(from, into, means(), wish);
    assert.deepEqual(restored.tables, [{ name: "public.notes", rows: 7 }]);
    assert.equal(await stage.count("acme-then", "kept"), 7);
    assert.equal((await stage.request("acme-then", "/v1/cached?store=yes")).status, 200);
    await assert.rejects(restoreTenantAs(from, into, means(), wish), /rows of its own/);
    assert.equal(await stage.count("acme-then", "kept"), 7);
  });

  test("fault 9: a drill measures what would be lost and how long it takes, and leaves the cell as it is", async () => {
    await stage.sql(cellOne, "SELECT pg_switch_wal()");
    await until("the archive has all", async () => {
      const text = "SELECT count(*) AS ready FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'";
      return (await stage.sql<{ ready: number }>(cellOne, text))[0]?.ready === 0;
    });
    await stage.write("globex", "not archived yet", 2);
    const [globex, epoch] = [await fingerprint("globex"), (await stage.tenant("globex")).epoch];
    const drill = await drillRestore(await stage.database(cellOne), means());
    const loss = drill.tenants.find(({ slug }) => slug === "globex");
    assert.equal(loss?.lostRows, 2);
    assert.ok(drill.rpoSeconds > 0 && drill.rpoSeconds < 120, `RPO ${drill.rpoSeconds}`);
    assert.ok(drill.rtoSeconds > 0, `RTO ${drill.rtoSeconds}`);
    assert.deepEqual(drill.problems, []);
    assert.ok(drill.indexes > 0 && drill.leases >= 3);
    assert.equal(await fingerprint("globex"), globex);
    assert.equal((await stage.tenant("globex")).epoch, epoch);
    assert.equal(
      (await stage.supervisor.list()).some(({ name }) => name.endsWith("-beside")),
      false,
      "nothing is left",
    );
  });

  test("what the supervisor's timer finds due is backed up, again and again, and old bases and their WAL go", async () => {
    const database = await stage.database(cellOne);
    const processes = (await stage.supervisor.list()).filter(({ name }) => name === "cell-1-postgres");
    const told: unknown[] = [];
    const log = Object.assign(createLog("test", "silent"), { info: (record: unknown) => told.push(record) });
    const schedule = new BackupSchedule({
      home: stage.home,
      everyHours: 24,
      environment: { PATH: "/usr/bin:/bin" },
      processes: () => (told.length < 2 ? processes : []),
      // By this clock the newest base is always more than a day old.
      clock: { ...systemClock, now: () => systemClock.now() + 2 * 86_400_000 },
      log,
      lookMs: 100,
    });
    schedule.start();
    await until("two backups have been made", async () => told.length === 2, 240_000);
    schedule.stop();
    assert.deepEqual(
      told,
      Array.from({ length: 2 }, () => ({ event: "backed-up", cell: cellOne, code: 0 })),
    );
    const lives = await readBackups(stage.home, cellOne);
    const bases = lives.flatMap((life) => life.bases);
    assert.equal(bases.length, 2);
    assert.ok(bases.every(({ verification }) => verification !== null));
    await assert.rejects(
      restoreTenantInPlace(database, database, means(), {
        tenant: tenantId((await stage.tenant("acme")).id),
        epoch: (await stage.tenant("acme")).epoch,
        until: moment,
      }),
      { code: "no-backup" },
    );
  });
});
