import { createHash } from "node:crypto";
import { constants as files } from "node:fs";
import { chmod, chown, mkdir, open, readdir, readFile, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { constants, zstdCompress, zstdDecompress } from "node:zlib";
import type { DatabaseUser } from "../database-user.ts";
import type { PackedFile } from "./records.ts";

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);
/** Bounds the memory of a copy; large enough that compressing it is worth while. */
const chunkBytes = 4 * 1024 * 1024;
/** Level 1 packs a data directory to about a sixth; higher levels cost far more time than they save space. */
const level = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
/** How often the control file is read again where it changed while it was read. */
const controlTries = 20;
const controlFile = "global/pg_control";

// What a base leaves out (PostgreSQL, "Making a Base Backup Using the Low Level API"): what a server makes anew, what names a running server,
// and the WAL, which the archive has.
const emptyFolders = new Set([
  "pg_wal",
  "pg_replslot",
  "pg_dynshmem",
  "pg_notify",
  "pg_serial",
  "pg_snapshots",
  "pg_stat_tmp",
  "pg_subtrans",
]);
const leftOut = new Set([
  "postmaster.pid",
  "postmaster.opts",
  "backup_label",
  "backup_label.old",
  "tablespace_map",
  "tablespace_map.old",
  "recovery.signal",
  "standby.signal",
  "current_logfiles",
  "core",
]);
const leftOutPattern = /^pgsql_tmp|^pg_internal\.init|\.tmp$/;

export interface Packed {
  readonly folders: readonly string[];
  readonly files: readonly PackedFile[];
  readonly bytes: number;
  readonly packedBytes: number;
}

/**
 * Copies a data directory in use into one pack file. Files may grow, shrink and vanish under the copy: the WAL of the backup's time repairs all
 * of that.
 */
export async function packDirectory(directory: string, pack: string): Promise<Packed> {
  const { folders, paths } = await listDirectory(directory);
  const out = await open(pack, "wx", 0o600);
  const packed: PackedFile[] = [];
  try {
    for (const path of paths) {
      const file = await packFile(out, directory, path);
      if (file !== null) packed.push(file);
    }
    await out.sync();
  } finally {
    await out.close();
  }
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  return {
    folders,
    files: packed,
    bytes: sum(packed.map(({ bytes }) => bytes)),
    packedBytes: sum(packed.map(({ chunks }) => sum(chunks))),
  };
}

async function listDirectory(directory: string): Promise<{ folders: string[]; paths: string[] }> {
  const folders: string[] = [];
  const paths: string[] = [];
  const walk = async (folder: string): Promise<void> => {
    const entries = await readdir(join(directory, folder), { withFileTypes: true }).catch(ignoreMissing([]));
    for (const entry of entries) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isSymbolicLink()) throw new Error(`${path} is a link; a cell's database has no tablespaces`);
      if (entry.isDirectory() && !leftOutPattern.test(entry.name)) {
        folders.push(path);
        if (!emptyFolders.has(path)) await walk(path);
      } else if (entry.isFile() && !leftOut.has(entry.name) && !leftOutPattern.test(entry.name)) paths.push(path);
    }
  };
  await walk("");
  folders.push("pg_wal/archive_status", "pg_wal/summaries");
  return { folders, paths };
}

/** @returns null where the file has vanished meanwhile */
async function packFile(out: FileHandle, directory: string, path: string): Promise<PackedFile | null> {
  if (path === controlFile) return await packChunks(out, path, [await readControl(join(directory, path))]);
  // The directory is its server's: a link put there must not make us read another file in its place.
  const file = await open(join(directory, path), files.O_RDONLY | files.O_NOFOLLOW).catch(ignoreMissing(null));
  if (file === null) return null;
  try {
    return await packChunks(out, path, chunksOf(file));
  } finally {
    await file.close();
  }
}

/** It is rewritten in place, so that one reading may catch half of it; two that agree have it whole. */
async function readControl(path: string): Promise<Buffer> {
  let before = await readFile(path);
  for (let tries = 0; tries < controlTries; tries++) {
    const again = await readFile(path);
    if (again.equals(before)) return again;
    before = again;
  }
  throw new Error(`${path} does not come to rest`);
}

/** Each chunk is valid until the next is asked for. */
async function* chunksOf(file: FileHandle): AsyncGenerator<Buffer> {
  // Most files are small, and a large buffer for each would cost more than the copy. One byte more shows the end at once.
  const { size } = await file.stat();
  const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, size + 1));
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    if (bytesRead < buffer.length) return;
  }
}

async function packChunks(
  out: FileHandle,
  path: string,
  source: Iterable<Buffer> | AsyncIterable<Buffer>,
): Promise<PackedFile> {
  const hash = createHash("sha256");
  const chunks: number[] = [];
  let bytes = 0;
  for await (const chunk of source) {
    hash.update(chunk);
    bytes += chunk.length;
    const small = await compress(chunk, level);
    chunks.push(small.length);
    await out.appendFile(small);
  }
  return { path, bytes, sha256: hash.digest("hex"), chunks };
}

/**
 * Makes a data directory from a pack, each file checked against its digest.
 * @param directory must not exist yet
 * @throws Error for a pack that is not what its manifest says
 */
export async function unpackDirectory(
  pack: string,
  contents: Pick<Packed, "folders" | "files">,
  directory: string,
  user: DatabaseUser | null,
): Promise<void> {
  const own = async (path: string, mode: number): Promise<void> => {
    await chmod(path, mode);
    if (user !== null) await chown(path, user.uid, user.gid);
  };
  await mkdir(directory, { recursive: true });
  for (const folder of contents.folders) {
    await mkdir(join(directory, inside(folder)), { recursive: true });
    await own(join(directory, folder), 0o700);
  }
  const from = await open(pack, "r");
  try {
    let position = 0;
    for (const file of contents.files) {
      const path = join(directory, inside(file.path));
      await mkdir(dirname(path), { recursive: true });
      position = await unpackFile(from, position, file, path);
      await own(path, 0o600);
    }
  } finally {
    await from.close();
  }
  await own(directory, 0o700);
}

async function unpackFile(from: FileHandle, start: number, file: PackedFile, path: string): Promise<number> {
  const out = await open(path, "wx", 0o600);
  const hash = createHash("sha256");
  let position = start;
  try {
    for (const length of file.chunks) {
      const { buffer, bytesRead } = await from.read(Buffer.allocUnsafe(length), 0, length, position);
      if (bytesRead !== length) throw new Error(`the pack ends within ${file.path}`);
      position += length;
      const chunk = await decompress(buffer);
      hash.update(chunk);
      await out.appendFile(chunk);
    }
  } finally {
    await out.close();
  }
  if (hash.digest("hex") !== file.sha256) throw new Error(`${file.path} is not what its digest says`);
  return position;
}

function inside(path: string): string {
  if (path.startsWith("/") || path.split("/").includes("..")) throw new Error(`a path leads out of the pack: ${path}`);
  return path;
}

/** What was there when the folder was listed may be gone when it is read. */
function ignoreMissing<Value>(instead: Value): (error: NodeJS.ErrnoException) => Value {
  return (error) => {
    if (error.code === "ENOENT") return instead;
    throw error;
  };
}
