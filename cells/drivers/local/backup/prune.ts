import type { Stats } from "node:fs";
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { CellId } from "../../../../common/ids.ts";
import { exists } from "../files.ts";
import type { LifeBackups } from "./choose.ts";
import { backupPaths } from "./layout.ts";
import { timeOf } from "./records.ts";

/** Bases that stay restorable, so that a damaged newest one is not the end: with one a day, two days of any moment. */
export const basesKept = 2;
/** A life's archive may be this large in all; then the older base goes, never the newest. */
const archiveBytes = 4 * 1024 ** 3;
/** Bases, WAL and data of an earlier life are kept this long after the next one began: long enough to see that the restore was a mistake. */
const earlierLifeMs = 86_400_000;
/** What an archive command left that was killed; none takes so long. */
const unfinishedMs = 3_600_000;

export interface PrunePlan {
  /** Lives that go as a whole. */
  readonly lives: readonly string[];
  readonly bases: readonly { readonly life: string; readonly id: string }[];
  /** Per life, the first segment that is still needed; null: no base yet, all are. */
  readonly keepFrom: readonly { readonly life: string; readonly segment: string | null }[];
}

/**
 * What of a cell's backups is not needed any more. Pure. A base counts as kept only when it was restored for a test; before the first such one none goes.
 * @param sizes bytes of each life's archive
 */
export function planPruning(lives: readonly LifeBackups[], sizes: ReadonlyMap<string, number>, now: Date): PrunePlan {
  const gone = lives.filter((_, index) => {
    const next = lives[index + 1];
    return next !== undefined && next.bases.some(({ verification }) => verification !== null) && isPast(next.life, now);
  });
  const plans = lives
    .filter((life) => !gone.includes(life))
    .map(({ life, bases }) => {
      const proven = bases.filter(({ verification }) => verification !== null);
      const count = (sizes.get(life) ?? 0) > archiveBytes ? 1 : basesKept;
      const oldest = proven.at(-count) ?? bases[0];
      const kept = bases.filter(({ manifest }) => oldest === undefined || manifest.id >= oldest.manifest.id);
      return { life, dropped: bases.filter((base) => !kept.includes(base)), oldest };
    });
  return {
    lives: gone.map(({ life }) => life),
    bases: plans.flatMap(({ life, dropped }) => dropped.map(({ manifest }) => ({ life, id: manifest.id }))),
    keepFrom: plans.map(({ life, oldest }) => ({ life, segment: oldest?.manifest.firstSegment ?? null })),
  };
}

function isPast(life: string, now: Date): boolean {
  return now.getTime() - timeOf(life).getTime() > earlierLifeMs;
}

/** Removes what the plan names: bases first, so that a crash between never leaves a base whose WAL is gone. */
export async function prune(home: string, cell: CellId, plan: PrunePlan, now: Date): Promise<void> {
  const paths = backupPaths(home, cell);
  for (const life of plan.lives) await rm(paths.life(life), { recursive: true, force: true });
  for (const { life, id } of plan.bases) await rm(paths.base(life, id), { recursive: true, force: true });
  for (const { life, segment } of plan.keepFrom) await pruneWal(paths.wal(life), segment, now);
  await pruneAside(paths.aside, now);
}

/** Data directories that a restore replaced are named after the life that took their place. */
async function pruneAside(folder: string, now: Date): Promise<void> {
  if (!(await exists(folder))) return;
  for (const life of await readdir(folder))
    if (isPast(life, now)) await rm(join(folder, life), { recursive: true, force: true });
}

async function pruneWal(folder: string, keepFrom: string | null, now: Date): Promise<void> {
  if (!(await exists(folder))) return;
  for (const file of await readdir(folder)) {
    const path = join(folder, file);
    // Names sort as the WAL runs; a backup's history file bears its first segment's name.
    const isOld = keepFrom !== null && /^[0-9A-F]{24}/.test(file) && file.slice(0, 24) < keepFrom;
    const isUnfinished = /\.gz\.\d+$/.test(file) && now.getTime() - (await mtimeOf(path)) > unfinishedMs;
    if (isOld || isUnfinished) await rm(path, { force: true });
  }
}

async function mtimeOf(path: string): Promise<number> {
  return (await statIfThere(path))?.mtimeMs ?? Number.POSITIVE_INFINITY;
}

/** Null for what is gone: the archive's command renames and a backup removes while we look. */
async function statIfThere(path: string): Promise<Stats | null> {
  try {
    return await stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** Bytes of a life's archive, bases and WAL. */
export async function archiveSize(home: string, cell: CellId, life: LifeBackups): Promise<number> {
  const folder = backupPaths(home, cell).wal(life.life);
  let bytes = life.bases.reduce((total, { manifest }) => total + manifest.packedBytes, 0);
  if (!(await exists(folder))) return bytes;
  for (const file of await readdir(folder)) bytes += (await statIfThere(join(folder, file)))?.size ?? 0;
  return bytes;
}
