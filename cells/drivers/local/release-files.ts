import { createHash, randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { chmod, copyFile, link, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import Value from "typebox/value";
import { canonicalJson, digestOf } from "../../../common/canonical.ts";
import { ReleaseManifest, type ReleaseFile } from "../../../common/contracts/release.ts";
import { driverError } from "../errors.ts";
import type { ReleaseRef, ReleaseSource } from "../driver.ts";
import { becomeOf, exists, readJson, syncFolder } from "./files.ts";

export interface ReleasePlace {
  /** Folder of the release; it is there whole or not at all. */
  readonly target: string;
  /** Folder of runtimes, named by digest: a hundred megabytes each, stored once. */
  readonly runtimes: string;
}

/**
 * Copies a release to its place, every file checked against the manifest and the manifest against the release's digest.
 * @throws release-corrupt
 */
export async function installFiles(release: ReleaseRef, source: ReleaseSource, place: ReleasePlace): Promise<void> {
  if (await exists(place.target)) return;
  const manifest = await source.manifest(release);
  if (digestOf(manifest) !== release.digest || manifest.name !== release.name) {
    throw driverError("release-corrupt", `The manifest of ${release.name} is not the one named ${release.digest}.`);
  }
  await mkdir(place.runtimes, { recursive: true, mode: 0o700 });
  await mkdir(dirname(place.target), { recursive: true, mode: 0o700 });
  await removeUnfinished(place.target);
  const unfinished = `${place.target}.${randomUUID()}`;
  try {
    for (const file of manifest.files) {
      const path = join(unfinished, file.path);
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      if (file.path === "node") await placeRuntime(file, source, place.runtimes, path);
      else await copyChecked(file, source, path);
    }
    await writeFile(join(unfinished, "manifest.json"), canonicalJson(manifest), { flush: true });
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    throw error;
  }
  await becomeOf(unfinished, place.target);
  await syncFolder(dirname(place.target));
}

/**
 * The manifest of a release that lies in the cell.
 * @throws release-missing
 */
export async function installedManifest(release: ReleaseRef, target: string): Promise<ReleaseManifest> {
  const manifest = await readJson(join(target, "manifest.json"));
  if (manifest === null) throw driverError("release-missing", `${release.name} is not installed in the cell.`);
  if (!Value.Check(ReleaseManifest, manifest))
    throw driverError("release-corrupt", `${target} holds no manifest of a release.`);
  return manifest;
}

/** What an installation that was killed left beside the place. */
async function removeUnfinished(target: string): Promise<void> {
  const folder = dirname(target);
  const names = (await readdir(folder)).filter((name) => join(folder, name).startsWith(`${target}.`));
  await Promise.all(names.map((name) => rm(join(folder, name), { recursive: true, force: true })));
}

/** Runtimes that are being copied: cells that are made at once wait for the same copy. */
const arriving = new Map<string, Promise<void>>();

async function placeRuntime(file: ReleaseFile, source: ReleaseSource, runtimes: string, path: string): Promise<void> {
  const shared = join(runtimes, file.digest);
  if (!(await exists(shared))) {
    const arrival = arriving.get(shared) ?? fetchRuntime(file, source, shared).finally(() => arriving.delete(shared));
    arriving.set(shared, arrival);
    await arrival;
  }
  try {
    await link(shared, path);
  } catch {
    // Not every file system knows hard links; a copy does the same for more space.
    await copyFile(shared, path);
    await chmod(path, 0o700);
  }
}

async function fetchRuntime(file: ReleaseFile, source: ReleaseSource, shared: string): Promise<void> {
  const unfinished = `${shared}.${randomUUID()}`;
  await copyChecked({ ...file, executable: true }, source, unfinished);
  await becomeOf(unfinished, shared);
}

async function copyChecked(file: ReleaseFile, source: ReleaseSource, path: string): Promise<void> {
  const hash = createHash("sha256");
  let bytes = 0;
  const check = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > file.bytes)
        return done(driverError("release-corrupt", `${file.path} is longer than the manifest says.`));
      hash.update(chunk);
      done(null, chunk);
    },
  });
  try {
    await pipeline(
      Readable.from(await source.read(file.digest), { objectMode: false }),
      check,
      createWriteStream(path, { mode: file.executable ? 0o700 : 0o600, flush: true }),
    );
    const actual = hash.digest("hex");
    if (actual !== file.digest)
      throw driverError("release-corrupt", `${file.path} has the digest ${actual}, not ${file.digest}.`);
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}
