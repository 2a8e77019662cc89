import { createHash, randomUUID } from "node:crypto";
import { createReadStream, createWriteStream, type ReadStream } from "node:fs";
import { mkdir, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { Transform, type Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { matches } from "../../common/ids.ts";
import { fail } from "../errors.ts";

/** The largest file of a release: the runtime, some 120 MB, with room to grow. */
export const blobLimitBytes = 512 * 1_048_576;

/** Content of releases, each file named by its SHA-256, in one folder. What is there is whole and true. */
export class BlobStore {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Makes the folder and removes what broken uploads left. */
  async open(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const drafts = (await readdir(this.#directory)).filter((name) => name.startsWith("draft-"));
    await Promise.all(drafts.map((name) => rm(join(this.#directory, name), { force: true })));
  }

  /** Where the blob lies, if it is there. @throws TypeError when the text is no SHA-256. */
  path(digest: string): string {
    if (!matches("sha256", digest)) throw new TypeError("not a SHA-256 in hex");
    return join(this.#directory, digest);
  }

  /**
   * Its size in bytes, or null where it is not there. Who asks means to use it: for the collector it is as new as if it had just come.
   */
  async size(digest: string): Promise<number | null> {
    try {
      const { size } = await stat(this.path(digest));
      const now = new Date();
      await utimes(this.path(digest), now, now);
      return size;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw error;
    }
  }

  /** Digests of the blobs that nobody sent or asked for since that moment. */
  async untouchedSince(moment: Date): Promise<string[]> {
    const untouched: string[] = [];
    for (const name of await readdir(this.#directory)) {
      if (!matches("sha256", name)) continue;
      if ((await stat(this.path(name))).mtime < moment) untouched.push(name);
    }
    return untouched;
  }

  /** Removes a blob; one that is not there is no error. */
  async remove(digest: string): Promise<void> {
    await rm(this.path(digest), { force: true });
  }

  read(digest: string): ReadStream {
    return createReadStream(this.path(digest));
  }

  /**
   * Takes in a blob as it arrives; it appears under its name only when all of it is there and its digest is the one it is named by.
   * @returns its size in bytes.
   * @throws blob-differs, blob-too-large
   */
  async write(digest: string, content: Readable): Promise<number> {
    const target = this.path(digest);
    const draft = join(this.#directory, `draft-${randomUUID()}`);
    const hash = createHash("sha256");
    let bytes = 0;
    const measure = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        bytes += chunk.length;
        if (bytes > blobLimitBytes)
          return done(fail("blob-too-large", `A blob holds at most ${blobLimitBytes} bytes.`));
        hash.update(chunk);
        done(null, chunk);
      },
    });
    try {
      await pipeline(content, measure, createWriteStream(draft, { mode: 0o600, flush: true }));
      const actual = hash.digest("hex");
      if (actual !== digest) throw fail("blob-differs", `The content's SHA-256 is ${actual}.`);
      await rename(draft, target);
      return bytes;
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    }
  }
}
