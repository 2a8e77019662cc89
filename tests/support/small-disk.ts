import { execFile } from "node:child_process";
import { mkdtemp, open, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const mib = 1_048_576;

/** A file system of its own, as large as a test can fill. Only root can make one. */
export interface SmallDisk {
  readonly folder: string;
  freeMb(): Promise<number>;
  /** Fills the disk with a file until only so much is free. @returns the file. */
  fillTo(freeMb: number): Promise<string>;
  remove(): Promise<void>;
}

export const canMakeDisks = process.getuid?.() === 0;

export async function smallDisk(sizeMb: number): Promise<SmallDisk> {
  const folder = await mkdtemp(join(tmpdir(), "cellplane-disk-"));
  await run("mount", ["-t", "tmpfs", "-o", `size=${sizeMb}m,mode=0755`, "cellplane-test", folder]);
  const freeMb = async (): Promise<number> => {
    const { bavail, bsize } = await statfs(folder);
    return (bavail * bsize) / mib;
  };
  return {
    folder,
    freeMb,
    async fillTo(left) {
      const path = join(folder, "filler");
      const file = await open(path, "a");
      try {
        const chunk = Buffer.alloc(mib);
        for (let count = (await freeMb()) - left; count > 0; count--) await file.write(chunk);
      } finally {
        await file.close();
      }
      return path;
    },
    async remove() {
      // Lazily: this very process may still hold a log on it.
      await run("umount", ["--lazy", folder]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
