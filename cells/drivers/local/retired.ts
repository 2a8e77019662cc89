import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import Type, { type Static } from "typebox";
import Value from "typebox/value";
import { CellIdSchema, TimestampSchema } from "../../../common/contracts/ids.ts";
import type { CellId } from "../../../common/ids.ts";
import { exists, readJson, syncFolder, writeAtomically } from "./files.ts";

/** How long a retired cell's data is kept: a day, in which somebody notices that it was the wrong cell. */
const keepMs = 24 * 3_600_000;

/** `tombstone.json` in the folder of a retired cell. */
const Tombstone = Type.Object(
  { version: Type.Literal(1), cell: CellIdSchema, retiredAt: TimestampSchema, purgeAfter: TimestampSchema },
  { additionalProperties: false },
);
type Tombstone = Static<typeof Tombstone>;

const tombstoneName = "tombstone.json";
const goingSuffix = ".going";
/** Where retired cells lie in a home, each under its id and the moment of its end. */
const retiredFolder = (home: string): string => join(home, "retired");

/**
 * Moves a cell's folder to the retired ones, with a note that says until when it is kept. The note is written first, so that a
 * death between the two is mended by doing it again. Does nothing where there is no folder.
 */
export async function layToRest(home: string, cell: CellId, folder: string, now: number): Promise<void> {
  if (!(await exists(folder))) return;
  const path = join(folder, tombstoneName);
  const known = await readTombstone(path);
  const tombstone = known ?? {
    version: 1,
    cell,
    retiredAt: new Date(now).toISOString(),
    purgeAfter: new Date(now + keepMs).toISOString(),
  };
  if (known === null) await writeAtomically(path, `${JSON.stringify(tombstone, null, 2)}\n`);
  const target = retiredFolder(home);
  await mkdir(target, { recursive: true, mode: 0o700 });
  await rename(folder, join(target, `${cell}-${tombstone.retiredAt.replaceAll(/[^0-9]/g, "")}`));
  await syncFolder(target);
}

/** Takes the note away: the folder was put back, and the cell is to live again. */
export async function raise(folder: string): Promise<void> {
  await rm(join(folder, tombstoneName), { force: true });
}

/**
 * Removes the retired cells whose time is over. What bears no readable note is left to people.
 * @returns the folders that were removed.
 */
export async function purgeRetired(home: string, now: number): Promise<string[]> {
  const folder = retiredFolder(home);
  if (!(await exists(folder))) return [];
  const purged: string[] = [];
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    // Half removed by a death: its note may be gone already.
    if (name.endsWith(goingSuffix)) {
      await rm(path, { recursive: true, force: true });
      continue;
    }
    const tombstone = await readTombstone(join(path, tombstoneName));
    if (tombstone === null || Date.parse(tombstone.purgeAfter) > now) continue;
    await rename(path, `${path}${goingSuffix}`);
    await rm(`${path}${goingSuffix}`, { recursive: true, force: true });
    purged.push(name);
  }
  return purged;
}

async function readTombstone(path: string): Promise<Tombstone | null> {
  try {
    const value = await readJson(path);
    return Value.Check(Tombstone, value) ? value : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
