import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { CellId } from "../../../../common/ids.ts";
import { cellPaths } from "../cell-layout.ts";
import { CellNotes } from "../cell-notes.ts";
import { exists } from "../files.ts";
import { archivedSegments } from "./archive.ts";
import { backupPaths } from "./layout.ts";
import { listBases, listLives, timeOf } from "./records.ts";

/** More WAL than this behind the newest base makes another due: it bounds what a restore has to replay, and the archive. In segments of 1 MB. */
const segmentsBehind = 2_000;

/** When a cell is to be backed up by itself. */
export interface BackupRhythm {
  readonly everyMs: number;
  /** A new cell, or one that has just been started, has other things to do. A restored one is due at once: before its first base nothing of its new life is safe. */
  readonly firstAfterMs: number;
}

/**
 * Whether a cell's database is due for a base. It looks at names alone, because it is asked every minute.
 * @param runningSince when the database began to run, this time
 */
export async function isBackupDue(
  home: string,
  cell: CellId,
  rhythm: BackupRhythm,
  runningSince: Date,
  now: Date,
): Promise<boolean> {
  const life = await new CellNotes(cellPaths(home, cell).notes).archivedLife();
  if (life === null) return false;
  const newest = await newestProven(home, cell, life);
  const isRestored = newest === null && (await listLives(home, cell)).some((former) => former < life);
  if (!isRestored && now.getTime() - runningSince.getTime() < rhythm.firstAfterMs) return false;
  if (newest === null || now.getTime() - timeOf(newest).getTime() >= rhythm.everyMs) return true;
  const archived = await archivedSegments(home, cell, life);
  if (archived.size <= segmentsBehind) return false;
  const base = (await listBases(home, cell, life)).find(({ manifest }) => manifest.id === newest);
  return [...archived].filter((segment) => segment > (base?.manifest.lastSegment ?? "")).length > segmentsBehind;
}

async function newestProven(home: string, cell: CellId, life: string): Promise<string | null> {
  const folder = backupPaths(home, cell).bases(life);
  if (!(await exists(folder))) return null;
  for (const id of (await readdir(folder)).toSorted().toReversed())
    if (await exists(join(folder, id, "verified.json"))) return id;
  return null;
}
