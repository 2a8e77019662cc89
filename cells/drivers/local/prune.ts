import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { exists } from "./files.ts";

/** What is younger may be on its way into a slot, or be linked by an installation this moment. */
const youngMs = 3_600_000;

/**
 * Removes the releases of a cell that it needs no more.
 * @param kept digests that stay whatever their age: what the slots hold, and what the cell may be rolled back to.
 * @returns the folders that were removed.
 */
export async function pruneReleases(folder: string, kept: ReadonlySet<string>, now: number): Promise<string[]> {
  if (!(await exists(folder))) return [];
  const removed: string[] = [];
  for (const name of await readdir(folder)) {
    // An installation under way, or what a killed one left, is named `<digest>.<something>`.
    const [digest = ""] = name.split(".", 1);
    if (kept.has(digest) && digest === name) continue;
    const path = join(folder, name);
    if (!(await isOld(path, now))) continue;
    await rm(path, { recursive: true, force: true });
    removed.push(name);
  }
  return removed;
}

/** Removes runtimes that no release links to any more; one that is needed again is fetched again. */
export async function pruneRuntimes(folder: string, now: number): Promise<void> {
  if (!(await exists(folder))) return;
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const { nlink, ctimeMs } = await stat(path);
    // A link that is taken away is a change of the file: its time says when it was last used.
    if (nlink === 1 && now - ctimeMs > youngMs) await rm(path, { force: true });
  }
}

async function isOld(path: string, now: number): Promise<boolean> {
  return now - (await stat(path)).mtimeMs > youngMs;
}
