import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import type { Problem } from "../../common/contracts/problem.ts";
import { ensureSigningKey } from "../../common/keys.ts";
import { freePort } from "../support/ports.ts";

let folder: string;
const running: ChildProcess[] = [];
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "cellplane-worker-"));
  ensureSigningKey(join(folder, "worker.pem"));
});
after(async () => {
  for (const child of running) child.kill("SIGKILL");
  await rm(folder, { recursive: true, force: true });
});

for (const { name, address, code } of [
  { name: "without Temporal", address: "", code: "no-temporal" },
  { name: "with a Temporal that does not answer", address: "127.0.0.1:1", code: "temporal-unreachable" },
]) {
  test(`${name} the worker lives, says why it is not ready, and ends cleanly on SIGTERM`, async () => {
    const port = await freePort();
    const child = startWorker(port, address);
    const url = `http://127.0.0.1:${port}`;
    assert.equal((await answerOf(`${url}/healthz`)).status, 200);
    const unready = await fetch(`${url}/readyz`);
    assert.equal(unready.status, 503);
    assert.equal(((await unready.json()) as Problem).code, code);
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    assert.deepEqual(await ended, [0, null]);
  });
}

function startWorker(port: number, temporalAddress: string): ChildProcess {
  const child = spawn(process.execPath, ["workflows/main.ts"], {
    stdio: ["ignore", "ignore", "inherit"],
    env: {
      ADMIN_PORT: String(port),
      TEMPORAL_ADDRESS: temporalAddress,
      // Nobody listens there: the registry is asked by activities alone.
      DATABASE_URL: "postgres://worker:secret@127.0.0.1:1/registry",
      KEY_FILE: join(folder, "worker.pem"),
      HOME_DIRECTORY: folder,
      FLEET_URL: "http://127.0.0.1:1",
      FLEET_TRUST_KEYS: "none",
      ROUTER_URL: "http://127.0.0.1:1",
    },
  });
  running.push(child);
  return child;
}

async function answerOf(url: string): Promise<Response> {
  for (let tries = 0; tries < 400; tries += 1) {
    const response = await fetch(url).catch(() => null);
    if (response !== null) return response;
    await wait(50);
  }
  throw new Error(`${url} did not answer within 20 s`);
}
