import { join } from "node:path";
import type { CellPorts } from "../../../common/contracts/home.ts";
import type { Slot, SlotAddresses } from "../../../common/contracts/lease.ts";
import type { CellId } from "../../../common/ids.ts";
import type { CellAddresses } from "../driver.ts";

/** Where a cell lies in a home. */
export const cellPaths = (home: string, cell: CellId) => {
  const folder = join(home, "cells", cell);
  return {
    folder,
    /** PostgreSQL's data directory. */
    data: join(folder, "data"),
    redis: join(folder, "redis"),
    releases: join(folder, "releases"),
    release: (digest: string) => join(folder, "releases", digest),
    /** Copies of the fleet document, one folder a process. */
    fleet: join(folder, "fleet"),
    /** Outside the data directory: with it a restored copy is known as another life. Written by the kit's migration. */
    incarnation: join(folder, "incarnation"),
    /** Room on the disk that is given up when it runs short. */
    ballast: join(folder, "ballast"),
    /** The driver's own notes. */
    notes: join(folder, "driver"),
    secrets: join(home, "secrets", "cells", `${cell}.json`),
    key: join(home, "keys", `${cell}.pem`),
    /** Runtimes by digest, one copy for all cells and releases that use it. */
    runtimes: join(home, "runtimes"),
  } as const;
};

/** The names of a cell's processes under the supervisor. */
export const processNames = (cell: CellId) =>
  ({
    postgres: `${cell}-postgres`,
    redis: `${cell}-redis`,
    api: (slot: Slot) => `${cell}-api-${slot}`,
    worker: (slot: Slot) => `${cell}-worker-${slot}`,
  }) as const;

/** The addresses that follow from a cell's ports. */
export function addressesOf(ports: CellPorts): CellAddresses {
  const of = (slot: Slot): SlotAddresses => {
    const { api, admin, worker } = ports.slots[slot];
    return { url: local(api), adminUrl: local(admin), workerUrl: local(worker) };
  };
  return { a: of("a"), b: of("b") };
}

const local = (port: number): string => `http://127.0.0.1:${port}`;
