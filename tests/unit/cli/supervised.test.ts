import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connectSupervisor, startSupervisor } from "../../../cells/drivers/local/supervisor/client.ts";
import type { FleetStatus } from "../../../cli/actions/status/compose.ts";
import type { ProcessRole, ProcessSpec, ProcessStatus } from "../../../common/contracts/supervisor.ts";
import { type CellId, cellId, releaseName } from "../../../common/ids.ts";
import { cellplane, TestHome } from "./fixtures.ts";

/** Stands in for a part: it runs until it is told to end. What a real one does is not what the command line looks at. */
function standIn(name: string, role: ProcessRole, cell: CellId | null = null): ProcessSpec {
  return {
    name,
    role,
    cell,
    release: role === "api" ? releaseName("pulse@1") : null,
    command: process.execPath,
    args: ["-e", "setInterval(() => {}, 1000)"],
    env: {},
    cwd: "/",
    user: null,
    directoryFd: false,
    mark: null,
    staleFiles: [],
    port: null,
    url: null,
    health: { kind: "none" },
    stopSignal: "SIGTERM",
    graceMs: 2_000,
    after: [],
    desired: "running",
  };
}

describe("commands through a real supervisor", () => {
  const home = new TestHome(null).ofFleet();
  const one = cellId("cell-1");
  const specs = [
    standIn("router", "router"),
    standIn("cell-1-postgres", "postgres", one),
    standIn("cell-1-redis", "redis", one),
    standIn("cell-1-api-a", "api", one),
    standIn("cell-1-worker-a", "worker", one),
  ];

  before(async () => {
    const supervisor = await startSupervisor(home.path);
    for (const spec of specs) await supervisor.put(spec);
    for (const { name } of specs) await supervisor.waitHealthy(name, 10_000);
  });
  after(async () => {
    await (await connectSupervisor(home.path))?.shutdown();
    home.remove();
  });

  const status = async (): Promise<FleetStatus> => {
    const run = await cellplane(home.path, "status", "--json");
    assert.equal(run.exit, 0, run.stderr);
    return JSON.parse(run.stdout) as FleetStatus;
  };

  test("status shows what runs, with the processes' own pids", async () => {
    const { supervisor, router, cells } = await status();
    assert.equal(typeof supervisor.pid, "number");
    assert.equal(router.url, "http://127.0.0.1:8080");
    assert.deepEqual(
      cells.map(({ id, state, release }) => [id, state, release]),
      [
        ["cell-1", "running", "pulse@1"],
        ["cell-2", "stopped", null],
      ],
    );
    for (const { pid } of cells[0]?.processes ?? []) assert.ok(process.kill(pid, 0));
  });

  test("a part that is stopped stays down until it is started", async () => {
    const stopped = await cellplane(home.path, "process", "stop", "router", "--json");
    assert.equal(stopped.exit, 0);
    assert.equal(stopped.json()["held"], true);
    assert.deepEqual((await status()).router, { url: null, pid: null });
    assert.equal((await cellplane(home.path, "process", "start", "router")).exit, 0);
    assert.equal(typeof (await status()).router.pid, "number");
  });

  test("a part that this fleet has not is refused", async () => {
    const run = await cellplane(home.path, "process", "stop", "temporal", "--json");
    assert.equal(run.exit, 1);
    assert.equal(run.json()["code"], "unknown-process");
  });

  test("a stopped cell keeps its release; started, it runs again", async () => {
    const stopped = await cellplane(home.path, "cell", "stop", "cell-1", "--json");
    assert.equal((stopped.json()["processes"] as ProcessStatus[]).length, 4);
    const [cell] = (await status()).cells;
    assert.deepEqual([cell?.state, cell?.release, cell?.processes], ["stopped", "pulse@1", []]);
    assert.equal((await cellplane(home.path, "cell", "start", "cell-1")).exit, 0);
    assert.equal((await status()).cells[0]?.state, "running");
  });

  test("an unknown cell is refused, and the known ones are named", async () => {
    const run = await cellplane(home.path, "cell", "stop", "cell-9");
    assert.equal(run.exit, 1);
    assert.match(run.stderr, /it has cell-1/);
  });

  test("with the supervisor dead: status is true, processes cannot be stopped (exit 4), and stop still brings everything down", async () => {
    const before = await status();
    process.kill(before.supervisor.pid ?? 0, "SIGKILL");
    while ((await status()).supervisor.pid !== null) await sleep(20);
    const orphaned = await status();
    assert.deepEqual({ ...orphaned, supervisor: null }, { ...before, supervisor: null });
    assert.equal((await cellplane(home.path, "process", "stop", "router")).exit, 4);
    process.kill(orphaned.router.pid ?? 0, "SIGKILL");
    while ((await status()).router.pid !== null) await sleep(20);

    const stopped = await cellplane(home.path, "stop", "--json");
    assert.equal(stopped.exit, 0, stopped.stderr);
    const { supervisor, cells } = await status();
    assert.equal(supervisor.pid, null);
    assert.equal(cells[0]?.state, "stopped");
    assert.equal((await cellplane(home.path, "stop")).stdout, "Nothing runs.\n");
  });
});
