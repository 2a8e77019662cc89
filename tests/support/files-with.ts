import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";

/**
 * Files below a folder in which one of the texts stands, as bytes, whatever the file's format; compressed ones are not opened.
 * @param skip path of a file or folder, relative, that is left out.
 * @returns `path: text`, sorted.
 */
export async function filesWith(
  folder: string,
  texts: readonly string[],
  skip: (path: string) => boolean,
): Promise<string[]> {
  const found: string[] = [];
  const needles = texts.map((text) => Buffer.from(text));
  const overlap = Math.max(...needles.map(({ length }) => length)) - 1;
  const pending = [""];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    for (const entry of await readdir(join(folder, path), { withFileTypes: true })) {
      const inside = join(path, entry.name);
      if (skip(inside)) continue;
      if (entry.isDirectory()) pending.push(inside);
      else if (entry.isFile())
        for (const index of await standing(join(folder, inside), needles, overlap))
          found.push(`${inside}: ${texts[index]}`);
    }
  }
  return found.toSorted();
}

async function standing(file: string, needles: readonly Buffer[], overlap: number): Promise<Set<number>> {
  const found = new Set<number>();
  let tail: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) {
      const bytes = Buffer.concat([tail, chunk as Buffer]);
      for (const [index, needle] of needles.entries()) if (bytes.includes(needle)) found.add(index);
      tail = bytes.subarray(Math.max(0, bytes.length - overlap));
    }
  } catch (error) {
    // A log that was turned over, a WAL segment that was recycled meanwhile.
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  return found;
}
