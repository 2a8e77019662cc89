import { openSync } from "node:fs";
import { copyFile, readdir, rename, stat, truncate } from "node:fs/promises";
import { join } from "node:path";

const fileBytes = 10 * 1024 * 1024;
const files = 3;

/** Opens a process's log to append: after a truncation the next line lands at the new end. */
export function openLog(path: string): number {
  return openSync(path, "a", 0o600);
}

/**
 * Bounds the logs of a folder to three files of about 10 MB a process. By copy and truncate, since the processes hold the file
 * open and outlive whoever would tell them to open another; lines written between the two are lost.
 */
export async function rotateLogs(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.endsWith(".log")) continue;
    const path = join(folder, name);
    const { size } = await stat(path);
    if (size < fileBytes) continue;
    for (let age = files - 1; age > 1; age--) {
      await rename(`${path}.${age - 1}`, `${path}.${age}`).catch(ignoreMissing);
    }
    await copyFile(path, `${path}.1`);
    await truncate(path);
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}
