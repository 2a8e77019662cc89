import assert from "node:assert/strict";
import { readdir, readFile, rename, stat, utimes, writeFile } from "node:fs/promises";
import { connect as connectSocket } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { cellPaths } from "../../../cells/drivers/local/cell-layout.ts";
import { readCellSecrets, type CellSecrets } from "../../../cells/drivers/local/cell-secrets.ts";
import { cellPorts } from "../../../cells/drivers/local/ports.ts";
import { startSupervisor } from "../../../cells/drivers/local/supervisor/client.ts";
import { identify, sessionsWith } from "../../../cells/drivers/local/supervisor/kernel.ts";
import { cellId, type CellId } from "../../../common/ids.ts";
import { connect, sqlState } from "../../../common/postgres/pool.ts";
import { StandInReleases } from "../../conformance/stand-in-releases.ts";
import { openStage, type LocalStage } from "./local-stage.ts";

const one = cellId("cell-1");
const two = cellId("cell-2");
const three = cellId("cell-3");
const hourMs = 3_600_000;

describe("a local cell", () => {
  const releases = new StandInReleases();
  let stage: LocalStage;
  before(async () => {
    stage = await openStage(releases);
    const began = performance.now();
    await stage.driver.provision({ id: one, region: "eu" });
    assert.ok(performance.now() - began < 30_000, "a cell is provisioned in seconds, on a busy machine too");
    await stage.driver.provision({ id: two, region: "us" });
    const release = releases.make("7-probe");
    await stage.driver.installRelease(one, release);
    await stage.driver.startRelease(one, "a", release);
  });
  after(() => stage.close());

  const portsOf = (cell: CellId) => cellPorts(stage.block, Number(cell.split("-")[1]) - 1);
  const secretsOf = async (cell: CellId): Promise<CellSecrets> =>
    (await readCellSecrets(cellPaths(stage.home, cell).secrets)) ?? assert.fail(`${cell} has credentials`);
  const urlOf = (cell: CellId, role: "owner" | "app" | "system", secrets: CellSecrets): string =>
    `postgres://cell_${role}:${secrets[role]}@127.0.0.1:${portsOf(cell).postgres}/cell`;
  const asOwner = async (cell: CellId) => connect(urlOf(cell, "owner", await secretsOf(cell)), "test");

  test("attack 27: a cell's database and Redis credentials are refused at another cell", async () => {
    const [own, foreign] = await Promise.all([secretsOf(one), secretsOf(two)]);
    for (const role of ["owner", "app", "system"] as const) {
      await (await connect(urlOf(one, role, own), "test")).end();
      await assert.rejects(connect(urlOf(two, role, own), "test"), (error) => sqlState(error) === "28P01");
    }
    const superuser = `postgres://postgres:${own.superuser}@127.0.0.1:${portsOf(two).postgres}/postgres`;
    await assert.rejects(connect(superuser, "test"), (error) => sqlState(error) === "28P01");

    assert.match(await askRedis(portsOf(one).redis, `AUTH ${own.redis}`, "PING"), /^\+OK\r\n\+PONG/);
    assert.match(await askRedis(portsOf(two).redis, `AUTH ${own.redis}`, "PING"), /^-WRONGPASS.*\r\n-NOAUTH/);
    assert.match(await askRedis(portsOf(two).redis, `AUTH ${foreign.redis}`, "PING"), /^\+OK/);
    assert.equal(new Set([...Object.values(own), ...Object.values(foreign)]).size, 11, "no two passwords are the same");
  });

  test("gives its release what the contract names, configuration included", async () => {
    await stage.supervisor.waitHealthy("cell-1-api-a", 30_000);
    const answer = await fetch(`http://127.0.0.1:${portsOf(one).slots.a.api}/`);
    assert.deepEqual(await answer.json(), {
      release: "stand-in@7-probe",
      slot: "a",
      app: `127.0.0.1:${portsOf(one).postgres}/cell`,
      extra: "of-7-probe",
    });
  });

  test("fault 8: after kill -9 of its PostgreSQL it is back by itself, with all that was acknowledged and without leftovers", async () => {
    const { pid } = await stage.supervisor.waitHealthy("cell-1-postgres", 30_000);
    const client = await asOwner(one);
    client.on("error", () => undefined);
    await client.query("CREATE TABLE kept (id int)");
    // One writer goes on until the death; what it was told is committed must be there.
    let acknowledged = 0;
    const writer = (async () => {
      for (;;) {
        await client.query("INSERT INTO kept VALUES ($1)", [acknowledged]);
        acknowledged++;
      }
    })().catch(() => undefined);
    const busyClient = await asOwner(one);
    busyClient.on("error", () => undefined);
    // A backend that is busy does not notice its postmaster's death: the supervisor has to end it.
    const busy = busyClient.query("SELECT count(*) FROM generate_series(1, 1000000000)").catch(() => undefined);
    while (acknowledged < 50) await sleep(10);
    await killAndAwait(pid);
    const again = await restarted("cell-1-postgres", pid);
    assert.match(again.lastExit ?? "", /^SIGKILL/);
    await Promise.all([writer, busy]);
    const next = await asOwner(one);
    const { rows } = await next.query<{ rows: number; last: number }>(
      "SELECT count(*) AS rows, max(id) AS last FROM kept",
    );
    const [{ rows: count, last } = { rows: 0, last: -1 }] = rows;
    assert.ok(last >= acknowledged - 1, `${acknowledged} rows were acknowledged, the last that is there is ${last}`);
    assert.equal(count, last + 1, "none is missing and none is there twice");
    await next.end();
  });

  test("fault 4: kill -9 of a cell's API touches that API alone, and it is back", async () => {
    const before = await stage.supervisor.list();
    const api = before.find(({ name }) => name === "cell-1-api-a") ?? assert.fail("it runs");
    await killAndAwait(api.pid);
    const again = await restarted("cell-1-api-a", api.pid);
    assert.equal(again.lastExit, "SIGKILL");
    const others = (list: typeof before) =>
      list.filter(({ name }) => name !== "cell-1-api-a").map(({ name, pid }) => [name, pid]);
    assert.deepEqual(others(await stage.supervisor.list()), others(before));
  });

  test("fault 34: the supervisor killed, then an API: the next supervisor adopts all and restarts the API, no orphans, no doubles", async () => {
    const before = await stage.supervisor.list();
    const api = before.find(({ name }) => name === "cell-1-api-a") ?? assert.fail("it runs");
    await killAndAwait(stage.supervisor.pid);
    await killAndAwait(api.pid);
    const answer = await fetch(`http://127.0.0.1:${portsOf(one).slots.a.worker}/healthz`);
    assert.equal(answer.status, 200, "what was not killed runs on");

    const next = await startSupervisor(stage.home);
    const alive = await next.waitHealthy("cell-1-api-a", 30_000);
    assert.notEqual(alive.pid, api.pid);
    assert.equal(alive.lastExit, "gone");
    const now = await next.list();
    for (const { name, pid } of before)
      if (name !== "cell-1-api-a")
        assert.equal(now.find((process) => process.name === name)?.pid, pid, `${name} was adopted`);
    // Every process that was ever started for this home bears its mark (Redis writes over its own; the supervisor knows it by
    // its port).
    const living = sessionsWith("CELLPLANE_SUPERVISED_BY", stage.home).map(({ pid }) => pid);
    const known = now.filter(({ role }) => role !== "redis").flatMap(({ pid }) => pid ?? []);
    assert.deepEqual(
      living.toSorted((a, b) => a - b),
      known.toSorted((a, b) => a - b),
    );
    assert.equal(new Set(now.map(({ name }) => name)).size, now.length);
  });

  test("what a supervisor died too early to write down is ended by the next, and never doubled", async () => {
    const supervisor = await startSupervisor(stage.home);
    const names = ["cell-2-redis", "cell-2-postgres"];
    const before = (await supervisor.list()).filter(({ name }) => names.includes(name));
    await killAndAwait(supervisor.pid);
    const path = join(stage.home, "supervisor", "state.json");
    const state = JSON.parse(await readFile(path, "utf8")) as { processes: { status: { name: string } }[] };
    state.processes = state.processes.filter(({ status }) => !names.includes(status.name));
    await writeFile(path, JSON.stringify(state));
    const next = await startSupervisor(stage.home);
    for (const { name, pid } of before) {
      const again = await next.waitHealthy(name, 60_000);
      assert.notEqual(again.pid, pid);
      assert.equal(identify(pid ?? 0), null, `${name} of before is gone`);
    }
  });

  test("reports a migration that fails with its own words, and goes on with what ran", async () => {
    const failing = releases.make("8-failing", { failing: true });
    await stage.driver.installRelease(one, failing);
    await assert.rejects(stage.driver.migrate(one, failing), { code: "migration-failed", message: /no such column/ });
  });

  test("keeps one runtime for all cells and releases", async () => {
    assert.equal((await readdir(join(stage.home, "runtimes"))).length, 1);
  });

  test("keeps the releases of its slots and those it may go back to, and prunes the others", async () => {
    const { driver } = stage;
    const folder = cellPaths(stage.home, one).releases;
    const age = async (): Promise<void> => {
      const old = new Date(Date.now() - 2 * hourMs);
      for (const name of await readdir(folder)) await utimes(join(folder, name), old, old);
    };
    let live: "a" | "b" = "a";
    const deploy = async (version: string): Promise<string> => {
      const release = releases.make(version);
      const next = live === "a" ? "b" : "a";
      await driver.installRelease(one, release);
      await driver.migrate(one, release);
      await driver.startRelease(one, next, release);
      await driver.switchSlot(one, live, next);
      await age();
      await driver.stopRelease(one, live);
      live = next;
      return release.digest;
    };
    const digests = [];
    for (const version of ["11", "12", "13", "14"]) digests.push(await deploy(version));
    assert.deepEqual((await readdir(folder)).toSorted(), digests.slice(1).toSorted());
    // What is being installed just now is in no slot yet.
    const coming = releases.make("15");
    await driver.installRelease(one, coming);
    await driver.stopRelease(one, live === "a" ? "b" : "a");
    assert.ok((await readdir(folder)).includes(coming.digest));
  });

  test("a retired cell's data is kept without its credentials; put back and provisioned, it lives again with new ones", async () => {
    const { driver, home } = stage;
    await driver.provision({ id: three, region: "eu" });
    const client = await asOwner(three);
    await client.query("CREATE TABLE mistake (id int)");
    await client.query("INSERT INTO mistake VALUES (1)");
    await client.end();
    const before = await secretsOf(three);
    const paths = cellPaths(home, three);
    await driver.retire(three);
    for (const gone of [paths.folder, paths.secrets, paths.key]) await assert.rejects(stat(gone), { code: "ENOENT" });
    const [name = ""] = await readdir(join(home, "retired"));
    const kept = join(home, "retired", name);
    const tombstone = JSON.parse(await readFile(join(kept, "tombstone.json"), "utf8")) as Record<string, string>;
    const keptMs = Date.parse(tombstone["purgeAfter"] ?? "") - Date.parse(tombstone["retiredAt"] ?? "");
    assert.deepEqual([tombstone["cell"], keptMs], ["cell-3", 24 * hourMs]);
    assert.deepEqual(await grep(kept, Object.values(before)), [], "no password lies in what is kept");
    await assert.rejects(driver.status(three), { code: "unknown-cell" });

    // The undo of docs/decisions/0020: put the folder back, provision.
    await rename(kept, paths.folder);
    await driver.provision({ id: three, region: "eu" });
    await assert.rejects(stat(join(paths.folder, "tombstone.json")), { code: "ENOENT" });
    const after = await secretsOf(three);
    assert.notEqual(after.owner, before.owner);
    await assert.rejects(connect(urlOf(three, "owner", before), "test"), (error) => sqlState(error) === "28P01");
    const again = await asOwner(three);
    assert.deepEqual((await again.query("SELECT id FROM mistake")).rows, [{ id: 1 }]);
    await again.end();
    await driver.retire(three);
  });

  test("refuses a data directory of another major version of PostgreSQL, and says what to do", async () => {
    const version = join(cellPaths(stage.home, two).data, "PG_VERSION");
    const own = await readFile(version, "utf8");
    await writeFile(version, "17\n");
    try {
      await assert.rejects(stage.driver.provision({ id: two, region: "us" }), { code: "postgres-version-differs" });
    } finally {
      await writeFile(version, own);
    }
    await stage.driver.provision({ id: two, region: "us" });
  });

  async function killAndAwait(pid: number | null): Promise<void> {
    assert.ok(pid !== null, "what is to be killed runs");
    process.kill(pid, "SIGKILL");
    while (identify(pid) !== null) await sleep(10);
  }

  async function restarted(name: string, before: number | null) {
    const supervisor = await startSupervisor(stage.home);
    for (const deadline = performance.now() + 60_000; performance.now() < deadline; await sleep(20)) {
      const status = (await supervisor.list()).find((process) => process.name === name);
      if (status?.state === "running" && status.pid !== before) return status;
    }
    return assert.fail(`${name} did not come back`);
  }
});

/** Sends inline commands (Redis protocol, "Inline commands") and returns all that is answered. */
async function askRedis(port: number, ...commands: string[]): Promise<string> {
  const socket = connectSocket({ host: "127.0.0.1", port });
  socket.end([...commands, "QUIT", ""].join("\r\n"));
  return text(socket);
}

/** Files below a folder that hold one of the words. */
async function grep(folder: string, words: readonly unknown[]): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const content = await readFile(path, "latin1");
    if (words.some((word) => typeof word === "string" && content.includes(word))) found.push(path);
  }
  return found;
}
