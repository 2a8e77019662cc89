import { join } from "node:path";
import type { CellPorts } from "../../../common/contracts/home.ts";
import type { Slot } from "../../../common/contracts/lease.ts";
import type { ReleaseManifest } from "../../../common/contracts/release.ts";
import type { ProcessSpec } from "../../../common/contracts/supervisor.ts";
import type { CellPlan, ReleaseRef } from "../driver.ts";
import { memory } from "./bounds.ts";
import { addressesOf, cellPaths, processNames } from "./cell-layout.ts";
import type { CellSecrets } from "./cell-secrets.ts";

/** All that the environment of a cell's processes is made of. */
export interface CellFacts {
  readonly home: string;
  readonly plan: CellPlan;
  readonly ports: CellPorts;
  readonly secrets: CellSecrets;
  readonly fleet: { readonly url: string; readonly trustKeys: readonly string[] };
  readonly logLevel: string;
}

/** A tenant's requests end within 5 s and jobs within 30 s; what is still there then is cut off. */
const graceMs = 35_000;

/** The database as one of the cell's roles. */
export function databaseUrl({ ports, secrets }: CellFacts, role: "owner" | "app" | "system"): string {
  return `postgres://cell_${role}:${secrets[role]}@127.0.0.1:${ports.postgres}/cell`;
}

/** What a release's migration gets. `slot` is where a new cell begins its life. */
export function migrationEnvironment(facts: CellFacts, release: ReleaseRef, slot: Slot): Record<string, string> {
  return { ...identity(facts, release, slot), OWNER_DATABASE_URL: databaseUrl(facts, "owner") };
}

/** The two processes of a release in a slot. */
export function releaseProcesses(
  facts: CellFacts,
  slot: Slot,
  release: ReleaseRef,
  manifest: ReleaseManifest,
): readonly ProcessSpec[] {
  const ports = facts.ports.slots[slot];
  const { url } = addressesOf(facts.ports)[slot];
  const names = processNames(facts.plan.id);
  const shared = { ...manifest.configuration, ...servingEnvironment(facts, release, slot) };
  return [
    {
      ...nodeProcess(facts, release, "api"),
      name: names.api(slot),
      env: { ...shared, API_PORT: String(ports.api), ADMIN_PORT: String(ports.admin) },
      port: ports.api,
      url,
      health: { kind: "http", url: `http://127.0.0.1:${ports.admin}/healthz` },
    },
    {
      ...nodeProcess(facts, release, "worker"),
      name: names.worker(slot),
      env: { ...shared, ADMIN_PORT: String(ports.worker) },
      port: ports.worker,
      url: null,
      health: { kind: "http", url: `http://127.0.0.1:${ports.worker}/healthz` },
    },
  ];
}

function nodeProcess(
  { home, plan }: CellFacts,
  release: ReleaseRef,
  role: "api" | "worker",
): Omit<ProcessSpec, "name" | "env" | "port" | "url" | "health"> {
  const folder = cellPaths(home, plan.id).release(release.digest);
  const names = processNames(plan.id);
  return {
    role,
    cell: plan.id,
    release: release.name,
    command: join(folder, "node"),
    args: [
      `--max-old-space-size=${memory.heapMb[role]}`,
      `--max-semi-space-size=${memory.semiSpaceMb[role]}`,
      `--v8-pool-size=${memory.v8Threads}`,
      join(folder, `${role}.mjs`),
    ],
    cwd: folder,
    user: null,
    directoryFd: false,
    mark: null,
    staleFiles: [],
    stopSignal: "SIGTERM",
    graceMs,
    after: [names.postgres, names.redis],
    desired: "running",
  };
}

function identity({ home, plan }: CellFacts, release: ReleaseRef, slot: Slot): Record<string, string> {
  const paths = cellPaths(home, plan.id);
  return {
    CELL_ID: plan.id,
    SLOT: slot,
    INCARNATION_FILE: paths.incarnation,
    RELEASE_DIRECTORY: paths.release(release.digest),
  };
}

function servingEnvironment(facts: CellFacts, release: ReleaseRef, slot: Slot): Record<string, string> {
  const paths = cellPaths(facts.home, facts.plan.id);
  return {
    ...identity(facts, release, slot),
    CELL_REGION: facts.plan.region,
    RELEASE: release.name,
    RELEASE_DIGEST: release.digest,
    APP_DATABASE_URL: databaseUrl(facts, "app"),
    SYSTEM_DATABASE_URL: databaseUrl(facts, "system"),
    REDIS_URL: `redis://:${facts.secrets.redis}@127.0.0.1:${facts.ports.redis}`,
    HOST: "127.0.0.1",
    CELL_KEY_FILE: paths.key,
    FLEET_URL: facts.fleet.url,
    FLEET_TRUST_KEYS: facts.fleet.trustKeys.join(","),
    FLEET_DIRECTORY: paths.fleet,
    DATA_DIRECTORY: paths.folder,
    LOG_LEVEL: facts.logLevel,
    MALLOC_ARENA_MAX: String(memory.mallocArenas),
  };
}
