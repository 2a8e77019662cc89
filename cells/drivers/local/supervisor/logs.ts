import { openSync } from "node:fs";
import { open, readdir, rename, rm, stat, truncate, type FileHandle } from "node:fs/promises";
import { join } from "node:path";

/** A log is cut off at this size. */
const fileBytes = 10 * 1024 * 1024;
/** What is kept of it, its end; more than the limit only where it grew by much since the last look. */
const keptBytes = 1.5 * fileBytes;
const files = 3;
/** Logs of processes that are no more are kept for whoever wonders what became of them. */
const keepForgottenMs = 7 * 24 * 3_600_000;
const chunkBytes = 256 * 1024;

/** Opens a process's log to append: after a truncation the next line lands at the new end. */
export function openLog(path: string): number {
  return openSync(path, "a", 0o600);
}

/**
 * Bounds the logs of a folder to three files of about 10 MB a process. By copy and truncate, since the processes hold the file itself open, so
 * that no pipe breaks when the supervisor dies; lines written between the two are lost, and of a flood only the end is kept.
 * @returns whether a process floods its log, so that whoever looks should come back the sooner.
 */
export async function rotateLogs(folder: string): Promise<{ readonly isFlooding: boolean }> {
  let isFlooding = false;
  for (const name of await readdir(folder)) {
    if (!name.endsWith(".log")) continue;
    const path = join(folder, name);
    const { size } = await stat(path);
    if (size < fileBytes) continue;
    // It grew by a multiple of its limit since the last look, or grows while we look.
    isFlooding ||= size >= 2 * fileBytes;
    for (let age = files - 1; age > 1; age--) {
      await rename(`${path}.${age - 1}`, `${path}.${age}`).catch(ignoreMissing);
    }
    await keepEnd(path, size);
    await truncate(path);
  }
  return { isFlooding };
}

/** Removes the logs of processes that were forgotten long ago. */
export async function removeForgottenLogs(folder: string, known: ReadonlySet<string>, now: number): Promise<void> {
  for (const name of await readdir(folder)) {
    const [process = ""] = name.split(".log", 1);
    if (known.has(process)) continue;
    const path = join(folder, name);
    if (now - (await stat(path)).mtimeMs > keepForgottenMs) await rm(path, { force: true });
  }
}

/** Copies the end of a log beside it; half a copy, left by a death, is overwritten by the next. */
async function keepEnd(path: string, size: number): Promise<void> {
  const unfinished = `${path}.unfinished`;
  const from = await open(path, "r");
  try {
    const to = await open(unfinished, "w", 0o600);
    try {
      await copy(from, to, Math.max(0, size - keptBytes), size);
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
  await rename(unfinished, `${path}.1`);
}

async function copy(from: FileHandle, to: FileHandle, start: number, end: number): Promise<void> {
  const buffer = Buffer.allocUnsafe(chunkBytes);
  for (let at = start; at < end;) {
    const { bytesRead } = await from.read(buffer, 0, Math.min(chunkBytes, end - at), at);
    if (bytesRead === 0) return;
    await to.write(buffer, 0, bytesRead);
    at += bytesRead;
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}
