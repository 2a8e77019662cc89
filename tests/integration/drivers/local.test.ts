import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { locatePostgres, locateRedis } from "../../../cells/drivers/local/binaries.ts";
import { cellPaths } from "../../../cells/drivers/local/cell-layout.ts";
import { readCellSecrets } from "../../../cells/drivers/local/cell-secrets.ts";
import { databaseUser } from "../../../cells/drivers/local/database-user.ts";
import { LocalDriver } from "../../../cells/drivers/local/driver.ts";
import { allocateBlock, cellPorts } from "../../../cells/drivers/local/ports.ts";
import { startSupervisor, type Supervisor } from "../../../cells/drivers/local/supervisor/client.ts";
import { identify } from "../../../cells/drivers/local/supervisor/kernel.ts";
import { systemClock } from "../../../common/clock.ts";
import { cellId } from "../../../common/ids.ts";
import { connect, sqlState } from "../../../common/postgres/pool.ts";
import { conformance } from "../../conformance/cell-driver.ts";
import { StandInReleases } from "../../conformance/stand-in-releases.ts";

interface LocalStage {
  readonly home: string;
  readonly driver: LocalDriver;
  readonly supervisor: Supervisor;
  readonly block: number;
  close(): Promise<void>;
}

async function openStage(releases: StandInReleases): Promise<LocalStage> {
  const home = await mkdtemp(join(tmpdir(), "cellplane-driver-"));
  const block = await allocateBlock(home);
  const supervisor = await startSupervisor(home);
  const driver = new LocalDriver({
    home,
    clock: systemClock,
    supervisor: () => startSupervisor(home),
    programs: async () => {
      const redis = locateRedis();
      if (redis === null) throw new Error("no Redis on this machine");
      return { postgres: await locatePostgres(), redis, user: await databaseUser() };
    },
    ports: (cell) => cellPorts(block, Number(cell.split("-")[1]) - 1),
    releases,
    fleet: { url: "http://127.0.0.1:9", trustKeys: [] },
    token: async (cell) => `token-for-${cell}`,
    logLevel: "info",
  });
  return {
    home,
    driver,
    supervisor,
    block,
    async close() {
      await (await startSupervisor(home)).shutdown();
      await rm(home, { recursive: true, force: true });
    },
  };
}

conformance("local", openStage);

describe("a local cell", () => {
  const one = cellId("cell-1");
  const two = cellId("cell-2");
  const releases = new StandInReleases();
  let stage: LocalStage;
  before(async () => {
    stage = await openStage(releases);
    const began = performance.now();
    await stage.driver.provision({ id: one, region: "eu" });
    assert.ok(performance.now() - began < 30_000, "a cell is provisioned in seconds, on a busy machine too");
    await stage.driver.provision({ id: two, region: "us" });
  });
  after(() => stage.close());

  const postgresPort = (cell: typeof one): number => cellPorts(stage.block, cell === one ? 0 : 1).postgres;

  async function password(cell: typeof one, role: "app" | "owner"): Promise<string> {
    const secrets = await readCellSecrets(cellPaths(stage.home, cell).secrets);
    return secrets?.[role] ?? assert.fail(`${cell} has credentials`);
  }

  async function appUrl(cell: typeof one): Promise<string> {
    const release = releases.make("7-probe");
    await stage.driver.installRelease(cell, release);
    await stage.driver.startRelease(cell, "a", release);
    return `postgres://cell_app:${await password(cell, "app")}@127.0.0.1:${postgresPort(cell)}/cell`;
  }

  test("refuses the credentials of another cell", async () => {
    const url = await appUrl(one);
    const own = await connect(url, "test");
    await own.end();
    const foreign = url.replace(`:${postgresPort(one)}/`, `:${postgresPort(two)}/`);
    await assert.rejects(connect(foreign, "test"), (error) => sqlState(error) === "28P01");
  });

  test("gives its release what the contract names, configuration included", async () => {
    await stage.supervisor.waitHealthy("cell-1-api-a", 10_000);
    const answer = await fetch(`http://127.0.0.1:${cellPorts(stage.block, 0).slots.a.api}/`);
    assert.deepEqual(await answer.json(), {
      release: "stand-in@7-probe",
      slot: "a",
      app: `127.0.0.1:${postgresPort(one)}/cell`,
      extra: "of-7-probe",
    });
  });

  test("is back by itself after kill -9 of its PostgreSQL, with what was committed and without leftovers", async () => {
    const { pid } = await stage.supervisor.waitHealthy("cell-1-postgres", 10_000);
    const url = `postgres://cell_owner:${await password(one, "owner")}@127.0.0.1:${postgresPort(one)}/cell`;
    const client = await connect(url, "test");
    client.on("error", () => undefined);
    await client.query("CREATE TABLE kept (id int)");
    await client.query("INSERT INTO kept VALUES (1)");
    // A backend that is busy does not notice its postmaster's death: the supervisor has to end it.
    const busy = client.query("SELECT count(*) FROM generate_series(1, 1000000000)").catch(() => undefined);
    await sleep(200);
    process.kill(pid ?? 0, "SIGKILL");
    while (identify(pid ?? 0) !== null) await sleep(10);
    const began = performance.now();
    let again = await stage.supervisor.waitHealthy("cell-1-postgres", 10_000);
    while (again.pid === pid || again.pid === null) {
      await sleep(20);
      again = await stage.supervisor.waitHealthy("cell-1-postgres", 10_000);
    }
    assert.ok(performance.now() - began < 20_000, "it serves again in seconds, on a busy machine too");
    await busy;
    const next = await connect(url, "test");
    assert.deepEqual((await next.query("SELECT id FROM kept")).rows, [{ id: 1 }]);
    await next.end();
  });

  test("reports a migration that fails with its own words, and goes on with what ran", async () => {
    const failing = releases.make("8-failing", { failing: true });
    await stage.driver.installRelease(one, failing);
    await assert.rejects(stage.driver.migrate(one, failing), { code: "migration-failed", message: /no such column/ });
  });

  test("keeps one runtime for all cells and releases", async () => {
    assert.equal((await readdir(join(stage.home, "runtimes"))).length, 1);
  });
});
