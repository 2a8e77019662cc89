import { createReadStream } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { DatabaseUser } from "../../cells/drivers/local/database-user.ts";
import { LocalDriver } from "../../cells/drivers/local/driver.ts";
import type { Supervisor } from "../../cells/drivers/local/supervisor/client.ts";
import type { CellAddresses, ReleaseRef } from "../../cells/drivers/driver.ts";
import { systemClock } from "../../common/clock.ts";
import { commandTokens } from "../../common/command-tokens.ts";
import type { Cell, CellList, RegisterCell } from "../../common/contracts/control-plane.ts";
import type { FleetFile } from "../../common/contracts/home.ts";
import type { CellId } from "../../common/ids.ts";
import type { Ingredients } from "../setup/start.ts";
import type { ControlPlaneApi } from "./api.ts";
import type { PlaneOptions } from "./plane.ts";
import { waitForAll } from "./plane-up.ts";
import { findRelease, firstReleaseOf, storeRelease, withBundle } from "./releases.ts";

export interface CellSurroundings {
  readonly plane: PlaneOptions;
  readonly supervisor: Supervisor;
  readonly api: ControlPlaneApi;
  readonly ingredients: Ingredients;
  readonly user: DatabaseUser | null;
}

/** What a cell on this machine is taken to bear, for placement: a share of two cores and a disk. */
const capacity = { requestsPerSecond: 20_000, tenants: 500, storageBytes: 50 * 1024 ** 3 } as const;

/**
 * Brings up the fleet's cells: those that are there are started as they were; new ones are provisioned, get the fleet's current release and are
 * registered. Returns when all are healthy.
 */
export async function bringCells(around: CellSurroundings): Promise<void> {
  const { plane, supervisor, api } = around;
  const { cells: known } = await api.call<CellList>("GET", "/v1/cells");
  const driver = driverOf(around);
  // New cells get what the fleet runs: the release of the cells that are there.
  const current = await currentRelease(around, known);
  await Promise.all(plane.file.cells.map((cell) => bringCell(around, driver, cell, current)));
  const names = (await supervisor.list())
    .filter((process) => process.cell !== null && !process.held)
    .map(({ name }) => name);
  await waitForAll(supervisor, names);
  await seenByControlPlane(api, new Set(names));
}

/** The control plane looks at each cell every two seconds; until it has seen one healthy, it places nobody there. */
const seenWithinMs = 20_000;

async function seenByControlPlane(api: ControlPlaneApi, names: ReadonlySet<string>): Promise<void> {
  const until = performance.now() + seenWithinMs;
  for (;;) {
    const { cells } = await api.call<CellList>("GET", "/v1/cells");
    const unseen = cells.filter(
      ({ id, health, liveSlot }) => names.has(`${id}-api-${liveSlot}`) && health !== "healthy",
    );
    if (unseen.length === 0 || performance.now() > until) return;
    await sleep(100);
  }
}

async function currentRelease({ plane, api }: CellSurroundings, known: readonly Cell[]): Promise<ReleaseRef> {
  const name = known.find(({ release }) => release !== null)?.release ?? plane.file.firstRelease;
  const stored = await findRelease(api, name);
  if (stored !== null) return { name, digest: stored.digest };
  const source = firstReleaseOf(plane.file.applicationDirectory);
  return withBundle(plane.home, source, async (bundle) => {
    await storeRelease(api, bundle);
    return { name: bundle.manifest.name, digest: bundle.digest };
  });
}

async function bringCell(
  { plane, api }: CellSurroundings,
  driver: LocalDriver,
  cell: FleetFile["cells"][number],
  release: ReleaseRef,
): Promise<void> {
  const addresses = await driver.provision({ id: cell.id, region: cell.region });
  const report = await driver.status(cell.id);
  if (report.slots.a.release !== null || report.slots.b.release !== null) return;
  await driver.installRelease(cell.id, release);
  await driver.migrate(cell.id, release);
  await api.call("POST", "/v1/cells", registration(plane, cell, addresses, release));
  await driver.startRelease(cell.id, "a", release);
}

function registration(
  plane: PlaneOptions,
  cell: FleetFile["cells"][number],
  addresses: CellAddresses,
  release: ReleaseRef,
): RegisterCell {
  return {
    id: cell.id,
    region: cell.region,
    slots: { a: addresses.a, b: addresses.b },
    liveSlot: "a",
    release: release.name,
    publicKey: plane.identity.key(cell.id).spki,
    capacity,
  };
}

function driverOf({ plane, supervisor, api, ingredients, user }: CellSurroundings): LocalDriver {
  const { home, file, identity } = plane;
  return new LocalDriver({
    home,
    clock: systemClock,
    supervisor: async () => supervisor,
    programs: async () => ({ postgres: ingredients.postgres, redis: ingredients.redis, user }),
    ports: (id) => portsOf(file, id),
    releases: {
      manifest: async ({ name }) => {
        const release = await findRelease(api, name);
        if (release === null) throw new Error(`the control plane has no release ${name}`);
        return release.manifest;
      },
      // The store's own files: the control plane runs on this machine.
      read: async (digest) => createReadStream(join(home, "control-plane", "blobs", digest)),
    },
    fleet: { url: file.urls.controlPlane, trustKeys: [identity.key("publisher").spki] },
    token: commandTokens("control-plane", identity.key("control-plane"), systemClock),
    logLevel: plane.logLevel,
  });
}

function portsOf(file: FleetFile, id: CellId): FleetFile["cells"][number]["ports"] {
  const cell = file.cells.find((candidate) => candidate.id === id);
  if (cell === undefined) throw new RangeError(`this fleet has no ${id}`);
  return cell.ports;
}
