import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import type { Problem } from "../../../common/contracts/problem.ts";
import { FleetBundle } from "../../../common/fleet/bundle.ts";
import { FleetDocument } from "../../../common/fleet/document.ts";
import { sealEnvelope } from "../../../common/fleet/envelope.ts";
import { ensureSigningKey, generateSigningKey } from "../../../common/keys.ts";
import { freePort } from "../../support/ports.ts";
import { startPostgres, type TestPostgres } from "../../support/postgres.ts";

const publisher = generateSigningKey();
let postgres: TestPostgres;
let folder: string;
const running: ChildProcess[] = [];
before(async () => {
  postgres = await startPostgres();
  folder = await mkdtemp(join(tmpdir(), "cellplane-aggregator-"));
});
after(async () => {
  for (const child of running) child.kill("SIGKILL");
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
});

/** The fleet document as an earlier life left it on disk. */
function leaveFleetOnDisk(directory: string): void {
  const url = "http://127.0.0.1:1";
  const slot = { url, adminUrl: url, workerUrl: url };
  const cell = {
    id: "cell-1",
    region: "eu",
    cordoned: false,
    slots: { a: slot, b: slot },
    liveSlot: "a",
    release: null,
  };
  const rows = { "cell/cell-1": cell };
  const generation = { term: 1, n: 1 };
  const { hash } = FleetDocument.of(rows, generation);
  new FleetBundle(directory).writeSnapshot(sealEnvelope({ kind: "snapshot", generation, hash, rows }, publisher), [
    publisher.spki,
  ]);
}

test("the process boots from disk with the control plane dead, becomes ready, and ends cleanly on SIGTERM", async () => {
  const port = await freePort();
  const database = await postgres.freshDatabase();
  leaveFleetOnDisk(join(folder, "fleet"));
  ensureSigningKey(join(folder, "aggregator.pem"));
  const child = spawn(process.execPath, ["aggregator/main.ts"], {
    stdio: ["ignore", "ignore", "inherit"],
    env: {
      PORT: String(port),
      DATABASE_URL: database.ownerUrl,
      KEY_FILE: join(folder, "aggregator.pem"),
      FLEET_URL: "http://127.0.0.1:1",
      FLEET_TRUST_KEYS: publisher.spki,
      FLEET_DIRECTORY: join(folder, "fleet"),
    },
  });
  running.push(child);
  const ready = await answerOf(`http://127.0.0.1:${port}/readyz`);
  assert.equal(ready.status, 200);

  const refused = await fetch(`http://127.0.0.1:${port}/v1/query/events`);
  assert.equal(refused.status, 401);
  assert.equal(((await refused.json()) as Problem).code, "token-refused");

  const ended = once(child, "exit");
  child.kill("SIGTERM");
  assert.deepEqual(await ended, [0, null]);
});

test("a missing setting ends the process at once, with its name", async () => {
  const child = spawn(process.execPath, ["aggregator/main.ts"], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { PORT: "0" },
  });
  running.push(child);
  let complaint = "";
  child.stderr.on("data", (chunk: Buffer) => (complaint += chunk.toString()));
  const [code] = (await once(child, "exit")) as [number];
  assert.notEqual(code, 0);
  assert.match(complaint, /DATABASE_URL is missing/);
});

async function answerOf(url: string): Promise<Response> {
  for (let tries = 0; tries < 200; tries += 1) {
    const response = await fetch(url).catch(() => null);
    if (response?.status === 200) return response;
    await wait(50);
  }
  throw new Error(`${url} did not answer 200 within 10 s`);
}
