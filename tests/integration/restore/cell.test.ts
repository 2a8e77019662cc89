import assert from "node:assert/strict";
import { rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createBackup, readBackups } from "../../../cells/drivers/local/backup/backups.ts";
import { backupPaths } from "../../../cells/drivers/local/backup/layout.ts";
import { restoreCell, type RestoredCell } from "../../../cells/drivers/local/backup/restore-cell.ts";
import { admitClaim } from "../../../cells/drivers/local/claims.ts";
import type { Supervisor } from "../../../cells/drivers/local/supervisor/client.ts";
import { systemClock } from "../../../common/clock.ts";
import type { CellLife } from "../../../common/contracts/restores.ts";
import { connect, sqlState } from "../../../common/postgres/pool.ts";
import { uuidv7 } from "../../../common/uuid.ts";
import { until } from "../cells/http-call.ts";
import { RestoreStage, cellOne, cellTwo } from "./stage.ts";

describe("a cell restored from a backup", () => {
  let stage: RestoreStage;
  before(async () => {
    stage = await RestoreStage.open();
    await stage.createTenant("acme", cellOne);
    await stage.createTenant("globex", cellOne);
    await stage.createTenant("umbrella", cellTwo);
    await stage.write("acme", "before", 5);
    await stage.write("globex", "before", 2);
    await createBackup(await stage.database(cellOne), means());
  });
  after(() => stage?.close());

  const means = (supervisor: Supervisor = stage.supervisor) => ({ supervisor, clock: systemClock });
  const restore = async (to: Date | null = null): Promise<RestoredCell> =>
    restoreCell(await stage.database(cellOne), means(), to);

  /** Keeps the registry from deciding anything while `work` runs. */
  async function undecided<Result>(work: () => Promise<Result>): Promise<Result> {
    const client = await connect(stage.plane.databaseUrl, "test");
    try {
      await client.query("BEGIN; LOCK TABLE cell_lives IN ACCESS EXCLUSIVE MODE");
      return await work();
    } finally {
      await client.end();
    }
  }

  async function confirmed(incarnation: string): Promise<CellLife> {
    const life = async (): Promise<CellLife | undefined> =>
      ((await stage.plane.call("GET", `/v1/cells/${cellOne}/lives`)).body["lives"] as CellLife[]).find(
        (candidate) => candidate.incarnation === incarnation,
      );
    await until(
      "the registry has confirmed the life",
      async () => ((await life())?.confirmedAt ?? null) !== null,
      60_000,
    );
    await stage.healthy(cellOne);
    return (await life()) ?? assert.fail("it was there a moment ago");
  }

  /** Tenants with an active or frozen lease, and how many cells hold one. */
  async function owners(): Promise<Map<string, string[]>> {
    const found = new Map<string, string[]>();
    for (const cell of [cellOne, cellTwo]) {
      for (const { slug, state } of await stage.leases(cell))
        if (state === "active" || state === "frozen") found.set(slug, [...(found.get(slug) ?? []), cell]);
    }
    return found;
  }

  test("fault 9: serves and runs nothing until the registry has confirmed it, then goes on one epoch higher with every write", async () => {
    await stage.write("acme", "after", 3);
    const restored = await undecided(async () => {
      const done = await restore();
      const answer = await stage.request("acme", "/v1/cached?store=yes");
      assert.deepEqual([answer.status, answer.body["code"]], [503, "incarnation-unconfirmed"]);
      const job = await stage.request("acme", "/v1/notes", { body: { note: "no", times: 1, behaviour: "write" } });
      assert.equal(job.status, 503);
      // The database itself refuses too, so that not even a process of the old life that lives on could do anything.
      const { id } = await stage.tenant("acme");
      const entered = stage.sql(cellOne, "SELECT cellplane.enter($1, NULL)", [id]);
      await assert.rejects(entered, (error) => sqlState(error) === "CPL06");
      return done;
    });
    const { plan } = await confirmed(restored.incarnation);
    assert.deepEqual(plan?.confirmed.map(({ slug, epoch }) => [slug, epoch]).toSorted(), [
      ["acme", 2],
      ["globex", 2],
      ["synthetic-cell-1", 2],
    ]);
    assert.equal((await stage.tenant("acme")).epoch, 2);
    await stage.write("acme", "again", 1);
    assert.equal(
      (await stage.request("acme", "/v1/cached?store=yes", { epoch: 1 })).status,
      421,
      "the old epoch is refused",
    );
    for (const [note, times] of [
      ["before", 5],
      ["after", 3],
      ["again", 1],
    ] as const)
      assert.equal(await stage.count("acme", note), times, note);
    assert.deepEqual(
      restored.tenants.map(({ slug, lostRows, lostSeconds }) => [slug, lostRows, lostSeconds]),
      [
        ["acme", 0, 0],
        ["globex", 0, 0],
        ["synthetic-cell-1", 0, 0],
      ],
    );
    await createBackup(await stage.database(cellOne), means());
  });

  test("fault 9: restored to a moment, it says per tenant what is lost, and every job has its effect once", async () => {
    await createBackup(await stage.database(cellOne), means());
    const body = { note: "job", times: 40, behaviour: "slow" };
    assert.equal((await stage.request("acme", "/v1/notes", { body })).status, 202);
    await until("some of the jobs ran", async () => (await stage.count("acme", "job")) >= 5);
    const moment = new Date();
    await sleep(50);
    await until("all of the jobs ran", async () => (await stage.count("acme", "job")) === 40, 60_000);
    await stage.write("globex", "later", 4);
    await stage.createTenant("late", cellOne);
    await stage.write("late", "first", 1);

    const restored = await restore(moment);
    const life = await confirmed(restored.incarnation);
    const loss = new Map(restored.tenants.map((tenant) => [tenant.slug ?? tenant.tenant, tenant]));
    assert.equal(loss.get("globex")?.lostRows, 4);
    assert.ok((loss.get("globex")?.lostSeconds ?? 0) > 0);
    assert.ok((loss.get("acme")?.lostRows ?? 0) > 0, "what jobs did after the moment is lost, and will be done again");
    const late = await stage.tenant("late");
    assert.equal(loss.get(late.id)?.lostRows, 1, "a tenant that came after the moment loses all");

    await until("the jobs that were open then have run", async () => (await stage.count("acme", "job")) >= 40, 60_000);
    await until("nothing waits", async () => (await openJobs()) === 0, 30_000);
    assert.equal(await stage.count("acme", "job"), 40);
    assert.equal(await stage.count("globex", "later"), 0);
    assert.deepEqual(
      life.plan?.granted.map(({ tenant }) => tenant),
      [late.id],
    );
    await until(
      "the late tenant is served, empty",
      async () => (await stage.request("late", "/v1/cached?store=yes")).status === 200,
    );
    assert.equal(await stage.count("late", "first"), 0);
    assert.equal((await stage.tenant("late")).epoch, 2);
    await createBackup(await stage.database(cellOne), means());
  });

  async function openJobs(): Promise<number> {
    const [row] = await stage.sql<{ count: number }>(cellOne, "SELECT count(*) AS count FROM cellplane.outbox");
    return row?.count ?? 0;
  }

  test("fault 9: a tenant that was given away after the backup stays where it is, and has one owner", async () => {
    await stage.createTenant("mover", cellOne);
    await stage.write("mover", "old", 2);
    await createBackup(await stage.database(cellOne), means());
    const moment = new Date();
    await sleep(50);
    await giveAway("mover");
    assert.deepEqual((await owners()).get("mover"), [cellTwo]);

    const restored = await undecided(async () => {
      const done = await restore(moment);
      assert.equal((await owners()).get("mover")?.length, 2, "the restored database still calls it its own");
      assert.equal((await stage.request("mover", "/v1/cached?store=yes", { cell: cellOne })).status, 503);
      return done;
    });
    const { plan } = await confirmed(restored.incarnation);
    const id = (await stage.tenant("mover")).id;
    assert.deepEqual(plan?.dropped, [{ tenant: id, slug: "mover", why: "cell-2 holds it (active, epoch 2)" }]);
    for (const [slug, cells] of await owners()) assert.equal(cells.length, 1, `${slug} has one owner`);
    const { cell, epoch } = await stage.tenant("mover");
    assert.deepEqual([cell, epoch], [cellTwo, 2], "the registry follows the owner");
    assert.equal((await stage.request("mover", "/v1/cached?store=yes")).status, 200);
    assert.equal((await stage.request("mover", "/v1/cached?store=yes", { cell: cellOne })).status, 421);
  });

  test("fault 9: a cell whose data are gone comes back from base and archive, and says what at most is lost", async () => {
    await createBackup(await stage.database(cellOne), means());
    await stage.write("globex", "archived", 2);
    await stage.sql(cellOne, "SELECT pg_switch_wal()");
    await until("the segment is archived", async () => {
      const [word] = await stage.sql<{ pending: number }>(
        cellOne,
        "SELECT count(*) AS pending FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'",
      );
      return word?.pending === 0;
    });
    const { directory } = await stage.database(cellOne);
    const [postgres] = (await stage.supervisor.list()).filter(({ name }) => name === "cell-1-postgres");
    await rm(directory, { recursive: true, force: true });
    process.kill(postgres?.pid ?? assert.fail("the database runs"), "SIGKILL");

    const restored = await restore();
    await confirmed(restored.incarnation);
    assert.equal(restored.aside, null);
    assert.equal(await stage.count("globex", "archived"), 2);
    for (const { lostRows, lostSeconds } of restored.tenants) {
      assert.equal(lostRows, null, "nobody can count what is gone");
      assert.ok(lostSeconds > 0 && lostSeconds < 600);
    }
    assert.equal(await stage.count("acme", "before"), 5);
  });

  test("a restore that was broken off after its point of no return is finished by the next", async () => {
    await createBackup(await stage.database(cellOne), means());
    const broken = Object.create(stage.supervisor, {
      put: {
        value: async (spec: Parameters<Supervisor["put"]>[0]) => {
          if (spec.name === "cell-1-postgres") throw new Error("the power went");
          return stage.supervisor.put(spec);
        },
      },
    }) as Supervisor;
    const database = await stage.database(cellOne);
    await assert.rejects(restoreCell(database, means(broken), null), /the power went/);
    const finished = await restore();
    await confirmed(finished.incarnation);
    assert.equal(finished.tenants.find(({ slug }) => slug === "acme")?.lostRows, 0);
    assert.equal(await stage.count("acme", "before"), 5);
  });

  test("a restore that cannot begin leaves the cell as it was", async () => {
    await assert.rejects(restore(new Date(0)), { code: "no-backup" });
    await stage.write("acme", "untouched", 1);
    await createBackup(await stage.database(cellOne), means());
    const [life] = (await readBackups(stage.home, cellOne)).slice(-1);
    const newest = life?.bases.at(-1) ?? assert.fail("there is a base");
    await truncate(
      join(backupPaths(stage.home, cellOne).base(newest.manifest.life, newest.manifest.id), "base.pack"),
      1000,
    );
    await assert.rejects(restore(), /the pack ends within/);
    await stage.healthy(cellOne);
    await stage.write("acme", "still", 1);
  });

  test("a restore that is outranked while it works leaves the cell to who came, as it was", async () => {
    await createBackup(await stage.database(cellOne), means());
    const outranked = Object.create(stage.supervisor, {
      put: {
        value: async (spec: Parameters<Supervisor["put"]>[0]) => {
          if (spec.name.endsWith("-beside")) await admitClaim(stage.home, cellOne, 9);
          return stage.supervisor.put(spec);
        },
      },
    }) as Supervisor;
    const work = restoreCell(await stage.database(cellOne), means(outranked), null, 8);
    await assert.rejects(work, { code: "claim-outranked" });
    await stage.healthy(cellOne);
    await stage.write("acme", "not restored", 1);
  });

  /** Moves a tenant to the other cell as a mover does, rows aside. */
  async function giveAway(slug: string): Promise<void> {
    const { id, epoch } = await stage.tenant(slug);
    const operation = uuidv7();
    const call = async (cell: typeof cellOne, step: string, body: unknown): Promise<Record<string, unknown>> => {
      const answer = await stage.admin(cell, `/v1/leases/${id}/${step}`, { method: "POST", body });
      assert.equal(answer.status, 200, `${step}: ${JSON.stringify(answer.body)}`);
      return answer.body;
    };
    const { attempt } = await call(cellOne, "attempt", { operation });
    const by = { operation, attempt };
    await call(cellTwo, "import", { ...by, epoch: epoch + 1, source: cellOne, slug, tier: "pro", synthetic: false });
    const { freeze } = await call(cellOne, "freeze", by);
    await call(cellTwo, "ready", { ...by, freeze });
    const { body: two } = await stage.plane.call("GET", `/v1/cells/${cellTwo}`);
    const released = await call(cellOne, "release", { ...by, freeze, destination: cellTwo, addresses: two["slots"] });
    await call(cellTwo, "activate", { record: released["releaseRecord"] });
  }
});
