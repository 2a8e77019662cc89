import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import test from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
const module = new URL("../../../common/log.ts", import.meta.url).href;

/** What a process that logs so writes to stdout, line by line. */
async function linesOf(statements: string): Promise<Record<string, unknown>[]> {
  const text = `import { createLog } from ${JSON.stringify(module)}; ${statements}`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", text]);
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test("one event is one line of JSON on stdout, with part, labels, time and event", async () => {
  const [line, ...others] = await linesOf(
    `createLog("router", "info", { router: "router-1" }).child({ cell: "cell-1" }).info({ event: "turned", slot: "b" });`,
  );
  assert.deepEqual(others, []);
  assert.ok(!Number.isNaN(Date.parse(String(line?.["time"]))));
  const { part, router, cell, event, slot } = line ?? {};
  assert.deepEqual(
    { part, router, cell, event, slot },
    { part: "router", router: "router-1", cell: "cell-1", event: "turned", slot: "b" },
  );
});

test("a secret is masked under any of its names", async () => {
  const [line] = await linesOf(`createLog("test").info({
    event: "x",
    config: { password: "hunter2", token: "hunter2", key: "hunter2", secret: "hunter2", name: "tea" },
    headers: { authorization: "Bearer hunter2", cookie: "session=hunter2" },
  });`);
  assert.ok(!JSON.stringify(line).includes("hunter2"));
  assert.deepEqual(Object.values(line?.["config"] ?? {}), ["***", "***", "***", "***", "tea"]);
});

test("what is below the level is not written", async () => {
  const lines = await linesOf(
    `const log = createLog("test", "warn"); log.info({ event: "quiet" }); log.warn({ event: "loud" });`,
  );
  assert.deepEqual(
    lines.map(({ event }) => event),
    ["loud"],
  );
});
