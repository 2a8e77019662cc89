import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { connectSupervisor, startSupervisor, type Supervisor } from "../../../cells/drivers/local/supervisor/client.ts";
import { identify } from "../../../cells/drivers/local/supervisor/kernel.ts";
import { readHomeState } from "../../../cells/drivers/local/supervisor/state.ts";
import type { ProcessSpec, ProcessStatus } from "../../../common/contracts/supervisor.ts";
import { freePort } from "../../support/ports.ts";

const run = promisify(execFile);

/** Serves 200 on its port, writes its pid at each start, leaves SIGTERM to Node's default or ignores it. */
const program = `
  import { createServer } from "node:http";
  import { appendFileSync } from "node:fs";
  appendFileSync(process.env.STARTS, process.env.NAME + " " + process.pid + "\\n");
  if (process.env.DEAF === "yes") process.on("SIGTERM", () => console.log("deaf"));
  if (process.env.DIES === "yes") process.exit(3);
  if (process.env.HOARDS === "yes") { const kept = []; for (;;) kept.push(new Array(10_000).fill(kept.length)); }
  createServer((request, response) => response.end("here")).listen(Number(process.env.PORT), "127.0.0.1");
  console.log("listening as " + process.env.NAME);
`;

let home: string;
let supervisor: Supervisor;

before(async () => {
  home = await mkdtemp(join(tmpdir(), "cellplane-supervisor-"));
  await writeFile(join(home, "program.mjs"), program);
});

afterEach(async () => {
  await (await connectSupervisor(home))?.shutdown();
  await rm(join(home, "supervisor"), { recursive: true, force: true });
  await rm(join(home, "starts"), { force: true });
});

after(() => rm(home, { recursive: true, force: true }));

async function spec(
  name: string,
  env: Record<string, string> = {},
  over: Partial<ProcessSpec> = {},
): Promise<ProcessSpec> {
  const port = await freePort();
  return {
    name,
    role: "feeder",
    cell: null,
    release: null,
    command: process.execPath,
    args: [join(home, "program.mjs")],
    env: { NAME: name, PORT: String(port), STARTS: join(home, "starts"), ...env },
    cwd: home,
    user: null,
    directoryFd: false,
    mark: null,
    staleFiles: [],
    port,
    url: `http://127.0.0.1:${port}`,
    health: { kind: "http", url: `http://127.0.0.1:${port}/` },
    stopSignal: "SIGTERM",
    graceMs: 2_000,
    after: [],
    desired: "running",
    ...over,
  };
}

async function starts(): Promise<string[]> {
  return (await readFile(join(home, "starts"), "utf8"))
    .trim()
    .split("\n")
    .map((line) => line.split(" ")[0] ?? "");
}

async function until(
  supervised: Supervisor,
  name: string,
  wanted: (status: ProcessStatus) => boolean,
  timeoutMs = 30_000,
): Promise<ProcessStatus> {
  for (const deadline = performance.now() + timeoutMs; performance.now() < deadline;) {
    const status = (await supervised.list()).find((process) => process.name === name);
    if (status !== undefined && wanted(status)) return status;
    await sleep(25);
  }
  return assert.fail(`${name} did not come to the wanted state`);
}

describe("the supervisor", () => {
  test("starts what is put, and does nothing when the same spec is put again", async () => {
    supervisor = await startSupervisor(home);
    const first = await spec("first");
    const second = await spec("second", {}, { after: ["first"] });
    await supervisor.put(second);
    await supervisor.put(first);
    await supervisor.waitHealthy("first", 10_000);
    const before = await supervisor.waitHealthy("second", 10_000);
    await supervisor.put(second);
    assert.equal((await supervisor.waitHealthy("second", 1_000)).pid, before.pid);
    assert.deepEqual((await starts()).toSorted(), ["first", "second"]);
  });

  test("waits for a predecessor that is known", async () => {
    supervisor = await startSupervisor(home);
    await supervisor.put(await spec("first"));
    await supervisor.put(await spec("second", {}, { after: ["first"] }));
    await supervisor.waitHealthy("second", 10_000);
    assert.deepEqual(await starts(), ["first", "second"]);
  });

  test("restarts a process whose spec changed", async () => {
    supervisor = await startSupervisor(home);
    const old = await spec("part");
    await supervisor.put(old);
    const before = await supervisor.waitHealthy("part", 10_000);
    await supervisor.put({ ...old, env: { ...old.env, EXTRA: "1" } });
    const changed = await until(supervisor, "part", ({ state, pid }) => state === "running" && pid !== before.pid);
    assert.notEqual(changed.pid, before.pid);
    assert.equal(identify(before.pid ?? 0), null);
  });

  test("starts a killed process again after a short delay, and one that always dies ever more slowly", async () => {
    supervisor = await startSupervisor(home);
    await supervisor.put(await spec("part"));
    await supervisor.put(await spec("dying", { DIES: "yes" }));
    const before = await supervisor.waitHealthy("part", 10_000);
    process.kill(before.pid ?? 0, "SIGKILL");
    const again = await until(supervisor, "part", ({ state, restarts }) => state === "running" && restarts === 1);
    assert.equal(again.lastExit, "SIGKILL");
    const dying = await until(supervisor, "dying", ({ restarts }) => restarts >= 3);
    assert.equal(dying.lastExit, "exit 3");
  });

  test("leaves all running when it is killed; the next one adopts them, without doubles, and restarts what dies then", async () => {
    supervisor = await startSupervisor(home);
    await supervisor.put(await spec("one"));
    await supervisor.put(await spec("two"));
    const one = await supervisor.waitHealthy("one", 10_000);
    const two = await supervisor.waitHealthy("two", 10_000);
    process.kill(supervisor.pid, "SIGKILL");
    while (identify(supervisor.pid) !== null) await sleep(10);

    const alone = await readHomeState(home);
    assert.equal(alone.supervisorPid, null);
    assert.deepEqual(new Set(alone.processes.map(({ pid }) => pid)), new Set([one.pid, two.pid]));
    process.kill(two.pid ?? 0, "SIGKILL");
    while (identify(two.pid ?? 0) !== null) await sleep(10);
    assert.equal((await readHomeState(home)).processes.find(({ name }) => name === "two")?.pid, null);

    const next = await startSupervisor(home);
    assert.equal((await next.waitHealthy("one", 10_000)).pid, one.pid);
    const reborn = await next.waitHealthy("two", 10_000);
    assert.notEqual(reborn.pid, two.pid);
    process.kill(one.pid ?? 0, "SIGKILL");
    const adopted = await until(next, "one", ({ state, pid }) => state === "running" && pid !== one.pid);
    assert.equal(adopted.lastExit, "gone");
    assert.deepEqual((await starts()).toSorted(), ["one", "one", "two", "two"]);
  });

  test("keeps down what a person stopped, over its own death and over another put", async () => {
    supervisor = await startSupervisor(home);
    const wanted = await spec("part");
    await supervisor.put(wanted);
    await supervisor.waitHealthy("part", 10_000);
    const stopped = await supervisor.stop("part");
    assert.deepEqual([stopped.state, stopped.pid, stopped.held], ["stopped", null, true]);
    process.kill(supervisor.pid, "SIGKILL");
    const next = await startSupervisor(home);
    await next.put(wanted);
    await sleep(300);
    assert.deepEqual(
      (await next.list()).map(({ state, held }) => [state, held]),
      [["stopped", true]],
    );
    await next.start("part");
    await next.waitHealthy("part", 10_000);
    assert.deepEqual(await starts(), ["part", "part"]);
  });

  test("ends the whole group of a process that does not hear the stop signal", async () => {
    supervisor = await startSupervisor(home);
    await supervisor.put(await spec("deaf", { DEAF: "yes" }, { graceMs: 300 }));
    const { pid } = await supervisor.waitHealthy("deaf", 10_000);
    const status = await supervisor.stop("deaf");
    assert.equal(status.lastExit, "SIGKILL");
    assert.equal(identify(pid ?? 0), null);
  });

  test("stops everything at a shutdown, dependents first, and brings it back with the next start", async () => {
    supervisor = await startSupervisor(home);
    await supervisor.put(await spec("base"));
    await supervisor.put(await spec("top", {}, { after: ["base"] }));
    const { pid } = await supervisor.waitHealthy("top", 10_000);
    await supervisor.shutdown();
    assert.equal(await connectSupervisor(home), null);
    assert.equal(identify(pid ?? 0), null);
    const log = await readFile(join(home, "logs", "supervisor.log"), "utf8");
    const ends = log
      .split("\n")
      .filter((line) => line.includes('"stopped"'))
      .slice(-2)
      .map((line) => (JSON.parse(line) as { process: string }).process);
    assert.deepEqual(ends, ["top", "base"]);
    const next = await startSupervisor(home);
    await next.waitHealthy("top", 10_000);
  });

  test("restarts a process that lives but answers no more, and says so; one that nobody asks is left alone", async () => {
    process.env["CELLPLANE_SILENT_SECONDS"] = "2";
    try {
      supervisor = await startSupervisor(home);
    } finally {
      delete process.env["CELLPLANE_SILENT_SECONDS"];
    }
    await supervisor.put(await spec("part"));
    await supervisor.put(await spec("unasked", {}, { health: { kind: "none" } }));
    const part = await supervisor.waitHealthy("part", 10_000);
    const unasked = await supervisor.waitHealthy("unasked", 10_000);
    process.kill(unasked.pid ?? 0, "SIGSTOP");
    process.kill(part.pid ?? 0, "SIGSTOP");
    const seen = await until(supervisor, "part", ({ problem }) => typeof problem === "string");
    assert.match(seen.problem ?? "", /^no answer to its health check since 2/);
    const again = await until(supervisor, "part", ({ state, pid }) => state === "running" && pid !== part.pid, 60_000);
    assert.match(again.lastExit ?? "", /^SIGKILL \(no answer to its health check for [0-9]+ s\)$/);
    assert.equal(again.restarts, 1);
    assert.equal(identify(part.pid ?? 0), null);
    assert.equal((await until(supervisor, "unasked", () => true)).pid, unasked.pid);
    process.kill(unasked.pid ?? 0, "SIGCONT");
  });

  test("keeps in the status that a process's heap was full", async () => {
    supervisor = await startSupervisor(home);
    const hoards = await spec("hoards", { HOARDS: "yes" });
    await supervisor.put({ ...hoards, args: ["--max-old-space-size=20", ...hoards.args] });
    const ended = await until(supervisor, "hoards", ({ lastExit }) => lastExit !== null, 60_000);
    assert.match(ended.lastExit ?? "", /^(SIGABRT|exit 134) \(its heap was full\)$/);
  });

  test("begins with the record before the last when the disk lost the last, and adopts all the same", async () => {
    supervisor = await startSupervisor(home);
    await supervisor.put(await spec("one"));
    await supervisor.put(await spec("two"));
    const one = await supervisor.waitHealthy("one", 10_000);
    await supervisor.waitHealthy("two", 10_000);
    process.kill(supervisor.pid, "SIGKILL");
    while (identify(supervisor.pid) !== null) await sleep(10);
    const path = join(home, "supervisor", "desired.json");
    const whole = await readFile(path, "utf8");
    await writeFile(path, whole.slice(0, whole.length / 2));
    const next = await startSupervisor(home);
    assert.equal((await next.waitHealthy("one", 10_000)).pid, one.pid);
    // The one that only the lost record named runs unknown to anybody; it is ended rather than doubled by the next start.
    assert.deepEqual(
      (await next.list()).map(({ name }) => name),
      ["one"],
    );
  });

  test("takes the place of a supervisor of another version, whose processes run on", async () => {
    supervisor = await startSupervisor(home);
    await supervisor.put(await spec("part"));
    const part = await supervisor.waitHealthy("part", 10_000);
    const path = join(home, "supervisor", "connection.json");
    const connection = JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;
    await writeFile(path, JSON.stringify({ ...connection, version: 1 }));
    const next = await startSupervisor(home);
    assert.notEqual(next.pid, supervisor.pid);
    assert.equal((await next.waitHealthy("part", 10_000)).pid, part.pid);
  });

  test("is one per home, refuses strangers and nonsense, and keeps its files to itself", async () => {
    supervisor = await startSupervisor(home);
    assert.equal((await startSupervisor(home)).pid, supervisor.pid);
    const second = run(process.execPath, [
      join(import.meta.dirname, "../../../cells/drivers/local/supervisor/main.ts"),
      "--home",
      home,
    ]);
    await assert.rejects(second, (error: { code?: number }) => error.code === 75);

    const { url, token } = JSON.parse(await readFile(join(home, "supervisor", "connection.json"), "utf8")) as {
      url: string;
      token: string;
    };
    assert.equal((await fetch(`${url}/processes`)).status, 401);
    const headers = { authorization: `Bearer ${token}` };
    const nonsense = await fetch(`${url}/processes/part`, {
      method: "PUT",
      headers,
      body: JSON.stringify({ name: "part", role: "king" }),
    });
    assert.equal(nonsense.status, 400);
    assert.equal(((await nonsense.json()) as { code: string }).code, "supervisor-refused");
    assert.equal((await fetch(`${url}/processes/nobody/stop`, { method: "POST", headers })).status, 404);
    const { stdout } = await run("stat", ["-c", "%a", join(home, "supervisor", "connection.json")]);
    assert.equal(stdout.trim(), "600");
  });

  test("keeps no descriptor of whoever started it, and hands none on", async () => {
    const starter = join(home, "starter.mjs");
    const client = join(import.meta.dirname, "../../../cells/drivers/local/supervisor/client.ts");
    await writeFile(
      starter,
      `import { startSupervisor } from ${JSON.stringify(client)}; await startSupervisor(process.argv[2]);`,
    );
    // Ends only when every holder of the pipe, and of descriptor 7, has closed it.
    await run("/bin/sh", ["-c", '("$0" "$1" "$2" 7>&1) | cat', process.execPath, starter, home], { timeout: 60_000 });
    supervisor = (await connectSupervisor(home)) ?? assert.fail("it runs");
  });

  test("finds a fleet's home by its own name only", async () => {
    const other = join(home, "other");
    await mkdir(other);
    supervisor = await startSupervisor(home);
    const another = await startSupervisor(other);
    assert.notEqual(another.pid, supervisor.pid);
    await another.shutdown();
  });
});
