import { randomFillSync } from "node:crypto";
import { open, rm, stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import type { ProcessSpec } from "../../../../common/contracts/supervisor.ts";
import type { Logger } from "../../../../common/log.ts";

type Ballast = NonNullable<ProcessSpec["ballast"]>;

const chunkBytes = 1024 * 1024;
/** A ballast is made anew only when, beside itself, so many times the limit is free: or it would come and go. */
const plenty = 4;

/**
 * Looks once at a disk and at the ballast on it: gives the file up when the disk is nearly full, makes it when there is plenty of room. PostgreSQL
 * cannot even end its recovery on a full disk; with the file gone it can, and the cell, read-only by then, has time to be helped.
 */
export async function keepBallast(ballast: Ballast, log: Logger): Promise<void> {
  const { file, bytes, freeBelowBytes } = ballast;
  const there = await sizeOf(file);
  const free = await freeBytes(dirname(file));
  if (free === null) return;
  if (free < freeBelowBytes) {
    if (there === null) return;
    await rm(file, { force: true });
    log.warn({ event: "ballast-given-up", file, freeBytes: free });
    return;
  }
  if (there === bytes || free < bytes + plenty * freeBelowBytes) return;
  await fill(file, bytes);
  log.info({ event: "ballast-made", file, bytes });
}

/** Null where the folder is not there (yet, or any more). */
async function freeBytes(folder: string): Promise<number | null> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

async function sizeOf(file: string): Promise<number | null> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** Random bytes: a file system that compresses, or keeps holes, would give zeros no room. */
async function fill(file: string, bytes: number): Promise<void> {
  const handle = await open(file, "w", 0o600);
  try {
    const chunk = Buffer.allocUnsafe(chunkBytes);
    for (let left = bytes; left > 0; left -= chunkBytes)
      await handle.write(randomFillSync(chunk), 0, Math.min(left, chunkBytes));
    await handle.sync();
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}
