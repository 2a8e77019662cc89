import { randomBytes } from "node:crypto";
import { chmod, chown, mkdir, readdir } from "node:fs/promises";
import type { CellId } from "../../../../common/ids.ts";
import { cellPaths } from "../cell-layout.ts";
import { CellNotes } from "../cell-notes.ts";
import type { DatabaseUser } from "../database-user.ts";
import { exists } from "../files.ts";
import { archiveSeenFromData, backupPaths } from "./layout.ts";
import { backupId } from "./records.ts";
import { archivedSegment } from "./wal.ts";

interface ArchivePlace {
  readonly home: string;
  readonly cell: CellId;
  readonly user: DatabaseUser | null;
  readonly at: Date;
}

/**
 * The archive that the cell's database writes to, made when missing. A cell's folder may be entered (not read) by the databases' user from then on,
 * because the way from the data directory to the archive leads through it; the home above it stays closed to everybody else.
 * @returns its folder as the server sees it
 */
export async function ensureArchive(place: ArchivePlace): Promise<string> {
  const notes = new CellNotes(cellPaths(place.home, place.cell).notes);
  const known = await notes.archivedLife();
  const life = known ?? newLife(place.at);
  await makeArchive(place, life);
  if (known === null) await notes.writeArchivedLife(life);
  return archiveSeenFromData(life);
}

/** Names another life of a cell's database. */
export function newLife(at: Date): string {
  return backupId(at, randomBytes(2).toString("hex"));
}

/** Makes a life's archive; what is there stays. */
export async function makeArchive({ home, cell, user }: Omit<ArchivePlace, "at">, life: string): Promise<void> {
  const paths = backupPaths(home, cell);
  await mkdir(paths.wal(life), { recursive: true, mode: 0o700 });
  if (user === null) return;
  for (const folder of [paths.cell, paths.backups, paths.life(life)]) await chmod(folder, 0o711);
  await chown(paths.wal(life), user.uid, user.gid);
}

/** The segments that a life's archive holds. */
export async function archivedSegments(home: string, cell: CellId, life: string): Promise<Set<string>> {
  const folder = backupPaths(home, cell).wal(life);
  if (!(await exists(folder))) return new Set();
  return new Set((await readdir(folder)).flatMap((file) => archivedSegment(file) ?? []));
}
