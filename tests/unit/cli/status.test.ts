import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type CellKnowledge, composeStatus, servingSlots, type Sight } from "../../../cli/actions/status/compose.ts";
import { documentKnowledge } from "../../../cli/actions/status/knowledge.ts";
import type { ProcessStatus } from "../../../common/contracts/supervisor.ts";
import { homePaths } from "../../../common/contracts/home.ts";
import { FleetBundle } from "../../../common/fleet/bundle.ts";
import { CompactRows } from "../../../common/fleet/compact/rows.ts";
import { FleetDocument } from "../../../common/fleet/document.ts";
import { sealEnvelope } from "../../../common/fleet/envelope.ts";
import { SealedBundle } from "../../../common/fleet/sealed-bundle.ts";
import { type CellId, cellId, type ReleaseName, releaseName } from "../../../common/ids.ts";
import { ensureSigningKey, generateSigningKey } from "../../../common/keys.ts";
import { documentRows } from "../../support/fleet-rows.ts";
import { fleetFile, TestHome } from "./fixtures.ts";

const one = cellId("cell-1");
let nextPid = 4000;

function running(
  name: string,
  role: ProcessStatus["role"],
  cell: CellId | null = null,
  release: ReleaseName | null = null,
): ProcessStatus {
  return {
    name,
    role,
    cell,
    release,
    pid: nextPid++,
    port: 21_000,
    url: null,
    state: "running",
    held: false,
    restarts: 0,
    since: "2026-01-01T00:00:00.000Z",
    lastExit: null,
  };
}

const down = (process: ProcessStatus): ProcessStatus => ({ ...process, pid: null, state: "stopped" });

function cellProcesses(slot: "a" | "b" = "a", release = "pulse@1"): ProcessStatus[] {
  return [
    running("cell-1-postgres", "postgres", one),
    running("cell-1-redis", "redis", one),
    running(`cell-1-api-${slot}`, "api", one, releaseName(release)),
    running(`cell-1-worker-${slot}`, "worker", one, releaseName(release)),
  ];
}

function statusOf(
  processes: readonly ProcessStatus[],
  known?: CellKnowledge,
  live?: "a" | "b",
  supervisorPid: number | null = 1,
) {
  const sight: Sight = { supervisorPid, processes };
  return composeStatus(
    fleetFile(),
    sight,
    known === undefined ? new Map() : new Map([[one, known]]),
    live === undefined ? new Map() : new Map([[one, live]]),
  );
}

test("with everything dead every key is there, pids and addresses null", () => {
  const status = statusOf([down(running("temporal", "temporal"))], undefined, undefined, null);
  assert.deepEqual(status, {
    supervisor: { pid: null },
    router: { url: null, pid: null },
    controlPlane: { url: null, pid: null },
    dashboard: { url: null },
    aggregator: { url: null, pid: null },
    temporal: { address: null, ui: null, pid: null },
    worker: { pid: null },
    cells: [
      { id: "cell-1", region: "eu", release: null, state: "stopped", tenants: null, processes: [] },
      { id: "cell-2", region: "us", release: null, state: "stopped", tenants: null, processes: [] },
    ],
  });
});

test("a part that lives has its pid and address; the dashboard is the control plane's", () => {
  const plane = running("control-plane", "control-plane");
  const status = statusOf([plane, running("temporal", "temporal")]);
  assert.equal(status.controlPlane.pid, plane.pid);
  assert.equal(status.dashboard.url, "http://127.0.0.1:9");
  assert.equal(status.temporal.address, "127.0.0.1:20005");
  assert.equal(status.router.url, null);
});

test("a cell runs when database, cache, and the live slot's API and worker do", () => {
  const [cell] = statusOf(cellProcesses()).cells;
  assert.equal(cell?.state, "running");
  assert.equal(cell?.release, "pulse@1");
  assert.deepEqual(
    cell?.processes.map((process) => process.role),
    ["postgres", "redis", "api", "worker"],
  );
});

test("a cell that lacks one of them is degraded, and lists what lives", () => {
  const processes = cellProcesses().map((process) => (process.role === "redis" ? down(process) : process));
  const [cell] = statusOf(processes).cells;
  assert.equal(cell?.state, "degraded");
  assert.deepEqual(
    cell?.processes.map((process) => process.role),
    ["postgres", "api", "worker"],
  );
});

test("a stopped cell keeps the release of its live slot", () => {
  const processes = cellProcesses("b", "pulse@2").map(down);
  const [cell] = statusOf(processes).cells;
  assert.equal(cell?.state, "stopped");
  assert.equal(cell?.release, "pulse@2");
});

test("with two slots serving, the cell's own word says which is live, and what others know only without it", () => {
  const both = [...cellProcesses("a", "pulse@1"), ...cellProcesses("b", "pulse@2").slice(2)];
  assert.deepEqual(servingSlots(one, both), ["a", "b"]);
  const known: CellKnowledge = { liveSlot: "a", release: releaseName("pulse@1"), tenants: 2 };
  assert.equal(statusOf(both, known, "b").cells[0]?.release, "pulse@2");
  assert.equal(statusOf(both, known).cells[0]?.release, "pulse@1");
});

test("tenants are counted from the fleet document on the disk of router or aggregator, synthetic ones left out", async (t) => {
  const home = new TestHome(t);
  const folder = join(home.path, "aggregator", "fleet");
  mkdirSync(folder, { recursive: true });
  const rows = {
    "cell/cell-1": { id: "cell-1", liveSlot: "b", release: "pulse@2" },
    "tenant/1": { cell: "cell-1", synthetic: false },
    "tenant/2": { cell: "cell-1", synthetic: true },
  };
  const key = generateSigningKey();
  const generation = { term: 1, n: 3 };
  const { hash } = FleetDocument.of(rows, generation);
  new FleetBundle(folder).writeSnapshot(sealEnvelope({ kind: "snapshot", generation, hash, rows }, key), [key.spki]);
  assert.deepEqual(documentKnowledge(home.path).get(one), { liveSlot: "b", release: "pulse@2", tenants: 1 });

  const router = ensureSigningKey(join(home.path, homePaths.keys, "router-1.pem"));
  const more = {
    ...documentRows(3, { keys: false }),
    "cell/cell-1": { id: "cell-1", liveSlot: "a", release: "pulse@3" },
  };
  const table = FleetDocument.into(new CompactRows(), more, generation);
  const unused = sealEnvelope({}, key);
  await new SealedBundle(join(home.path, "router", "router-1", "fleet"), router).save(unused, table, []);
  assert.deepEqual(documentKnowledge(home.path).get(one), { liveSlot: "a", release: "pulse@3", tenants: 1 });
});

test("a document that nobody signed tells nothing", (t) => {
  const home = new TestHome(t)
    .write("aggregator/fleet/fleet.log", "{}\n")
    .write("router/router-1/fleet/fleet.table", `${"0".repeat(64)} {}\n`);
  ensureSigningKey(join(home.path, homePaths.keys, "router-1.pem"));
  assert.equal(documentKnowledge(home.path).size, 0);
});
