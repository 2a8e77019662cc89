import { readFileSync } from "node:fs";
import { chmod, mkdir, readFile, readdir, realpath, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { CellPorts, FleetPorts } from "../../../common/contracts/home.ts";
import { driverError } from "../errors.ts";
import { exists } from "./files.ts";
import { isFree } from "./free-port.ts";
import { takeName } from "./kernel-lock.ts";

/** A block serves the plane and this many cells: more do not fit on one machine. */
export const maxLocalCells = 30;
const planePorts = 20;
const portsPerCell = 10;
const blockSize = planePorts + maxLocalCells * portsPerCell;
/** Above what people pick by hand, below what the kernel gives to outgoing connections. */
const lowestPort = 20_000;
const lockTimeoutMs = 10_000;
/** The entry of the home whose fleet has the ports that people know. */
const frontEntry = "front";
/** A home that has claimed them needs so long until its supervisor is up, on a busy machine too. */
const claimMs = 30_000;

/** Ports of the parts that are no cells, from the first port of a fleet's block. */
export function fleetPorts(block: number): FleetPorts {
  return {
    router: block,
    routerAdmin: block + 1,
    controlPlane: block + 2,
    registry: block + 3,
    aggregator: block + 4,
    aggregatorDatabase: block + 5,
    worker: block + 6,
    temporal: block + 7,
    temporalUi: block + 8,
    feeder: block + 9,
  };
}

/**
 * Ports of a fleet's n-th cell, counted from 0.
 * @throws RangeError beyond `maxLocalCells`.
 */
export function cellPorts(block: number, index: number): CellPorts {
  if (!Number.isInteger(index) || index < 0 || index >= maxLocalCells)
    throw new RangeError(`a block has ports for ${maxLocalCells} cells`);
  const first = block + planePorts + index * portsPerCell;
  return {
    postgres: first,
    redis: first + 1,
    slots: {
      a: { api: first + 2, admin: first + 3, worker: first + 6 },
      b: { api: first + 4, admin: first + 5, worker: first + 7 },
    },
  };
}

/** First ports of all blocks of this machine, pure: the kernel's ephemeral range, in which any port may be taken at any time, is left out. */
export function blocksBelow(ephemeralStart: number): number[] {
  const end = ephemeralStart > lowestPort + blockSize ? ephemeralStart : 65_536;
  const count = Math.floor((end - lowestPort) / blockSize);
  return Array.from({ length: count }, (_, index) => lowestPort + index * blockSize);
}

/**
 * Takes a block of ports for a home: the one it has, else one that belongs to nobody and on which nobody listens. A block belongs to its home
 * until the home is removed. The ledger lies in /var/tmp, which restarts of the machine and different users leave alone.
 * @param home an existing folder.
 * @returns the block's first port.
 * @throws no-port-block
 */
export async function allocateBlock(home: string): Promise<number> {
  const owner = await realpath(home);
  const free = await lockLedger();
  try {
    const folder = await ledgerFolder();
    const taken = await livingOwners(folder);
    for (const [block, holder] of taken) if (holder === owner) return block;
    for (const block of blocksBelow(ephemeralStart())) {
      if (taken.has(block) || !(await isWhollyFree(block))) continue;
      await writeFile(join(folder, String(block)), `${owner}\n`, { mode: 0o644 });
      return block;
    }
  } finally {
    free();
  }
  throw driverError("no-port-block", `Every block of ${blockSize} ports from ${lowestPort} on is taken.`);
}

/**
 * Claims the ports that people know for a home, so that of two fleets that start at the same moment one has them: each would find them free. The claim of
 * another home counts while its fleet lives, or may be about to start.
 * @param isLiving whether the fleet of a home lives.
 * @returns whether the home has them now.
 * @throws no-port-block
 */
export async function claimFront(home: string, isLiving: (home: string) => Promise<boolean>): Promise<boolean> {
  const owner = await realpath(home);
  const free = await lockLedger();
  try {
    const entry = join(await ledgerFolder(), frontEntry);
    const holder = (await exists(entry)) ? (await readFile(entry, "utf8")).trim() : owner;
    if (holder !== owner && (await exists(holder))) {
      const isFresh = Date.now() - (await stat(entry)).mtimeMs < claimMs;
      if (isFresh || (await isLiving(holder))) return false;
    }
    // Another user's entry cannot be struck out; then the ports are not ours to give.
    if (!(await strikeOut(entry))) return false;
    await writeFile(entry, `${owner}\n`, { mode: 0o644 });
    return true;
  } finally {
    free();
  }
}

function ephemeralStart(): number {
  const [first] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").trim().split(/\s+/);
  return Number(first);
}

async function isWhollyFree(block: number): Promise<boolean> {
  for (let port = block; port < block + blockSize; port++) if (!(await isFree(port))) return false;
  return true;
}

async function lockLedger(): Promise<() => void> {
  const deadline = performance.now() + lockTimeoutMs;
  for (;;) {
    const lock = await takeName("cellplane-ports");
    if (lock !== null) return () => void lock.close();
    if (performance.now() > deadline)
      throw driverError("no-port-block", "The machine's ledger of ports stays locked by another process.");
    await sleep(20);
  }
}

async function ledgerFolder(): Promise<string> {
  const folder = join((await exists("/var/tmp")) ? "/var/tmp" : tmpdir(), "cellplane-ports");
  if (await exists(folder)) return folder;
  await mkdir(folder, { recursive: true });
  // Every user of the machine may enter a fleet, nobody may strike out another's; the umask must not forbid it.
  await chmod(folder, 0o1777);
  return folder;
}

/** Block → home, of the homes that still exist; the entries of the others are struck out. */
async function livingOwners(folder: string): Promise<Map<number, string>> {
  const owners = new Map<number, string>();
  for (const name of await readdir(folder)) {
    if (!/^[0-9]+$/.test(name)) continue;
    const home = (await readFile(join(folder, name), "utf8")).trim();
    if (await exists(home)) owners.set(Number(name), home);
    // Another user's home may be hidden from us, and so is its entry from our hands: then it stands.
    else if (!(await strikeOut(join(folder, name)))) owners.set(Number(name), home);
  }
  return owners;
}

async function strikeOut(path: string): Promise<boolean> {
  try {
    await rm(path, { force: true });
    return true;
  } catch {
    return false;
  }
}
