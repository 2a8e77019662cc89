import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { copyFile, mkdir, readFile, readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { digestOf, sha256 } from "../../../common/canonical.ts";
import {
  type ReleaseManifest,
  migrationSeries,
  parseMigrationFile,
  type Migration,
  type ReleaseFile,
} from "../../../common/contracts/release.ts";
import { matches, releaseName } from "../../../common/ids.ts";
import { bundle, root } from "./build.ts";
import { describe } from "./describe.ts";
import { bundleError } from "./errors.ts";
import { checkFolder, checkTypes } from "./folder.ts";
import type { MigrationText } from "./lint/context.ts";
import { lintMigrations } from "./lint/lint.ts";
import { migrationFindingText } from "./lint/rules.ts";
import { MigrationSyntaxError } from "./lint/statements.ts";

export interface BundleOptions {
  /** Folder of the application: `app.ts` and `migrations/`. */
  readonly folder: string;
  readonly version: string;
  /** Where the built files are written; the runtime is not copied there. */
  readonly outDir: string;
  /** The runtime that belongs to the release; default: the one that runs now. */
  readonly node?: string;
}

export interface BundledFile extends ReleaseFile {
  /** Where the file's content lies on this machine. */
  readonly source: string;
}

export interface BundledRelease {
  readonly manifest: ReleaseManifest;
  /** SHA-256 of the manifest's canonical JSON: the release's name among machines. */
  readonly digest: string;
  readonly files: readonly BundledFile[];
}

const processes = { api: "runApi(app)", worker: "runWorker(app)", migrate: "runMigrate()" } as const;

const run = promisify(execFile);

/**
 * Makes a release of an application: one file per process, with the kit and every package in it, so that it runs from any folder and nothing that
 * changes in the working tree changes it; its migrations; and the runtime. The same sources make the same digest.
 * @throws bundle-failed with what esbuild said, types-wrong with what the compiler said, bad-application for a folder or name that does not fit, bad-migration for one that
 *   would block tenants or break a release that runs beside.
 */
export async function bundleRelease(options: BundleOptions): Promise<BundledRelease> {
  const folder = resolve(options.folder);
  const node = options.node ?? process.execPath;
  await checkFolder(folder);
  await mkdir(options.outDir, { recursive: true });
  // First, because it says best what is wrong with an application.
  const described = await describe(folder, node);
  const [files, migrations, runtime] = await Promise.all([
    buildProcesses(folder, options.outDir),
    copyMigrations(folder, options.outDir),
    runtimeOf(node),
    checkTypes(folder, node),
  ]);
  const name = `${described.name}@${options.version}`;
  if (!matches("release", name)) throw bundleError("bad-application", `${name} is no name of a release.`);
  const all = [...files, ...migrations.files, runtime.file].toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const manifest: ReleaseManifest = {
    name: releaseName(name),
    application: described.name,
    version: options.version,
    runtime: runtime.version,
    files: all.map(({ source: _, ...file }) => file),
    migrations: migrations.migrations,
    configuration: described.configuration,
    aggregates: described.aggregates,
    ...(described.journey === undefined ? {} : { journey: described.journey }),
  };
  return { manifest, digest: digestOf(manifest), files: all };
}

async function buildProcesses(folder: string, outDir: string): Promise<BundledFile[]> {
  const names = Object.keys(processes) as (keyof typeof processes)[];
  await Promise.all(
    names.map((name) => {
      const call = processes[name];
      const application = call.includes("app") ? `import app from ${JSON.stringify(join(folder, "app.ts"))};` : "";
      return bundle(
        `${application} import { ${call.split("(", 1)[0]} } from "./cells/${name}.ts"; ${guarded(call)}`,
        join(outDir, `${name}.mjs`),
      );
    }),
  );
  return Promise.all(names.map((name) => fileOf(outDir, `${name}.mjs`)));
}

/** A process that cannot begin says why, without the line of bundled code that Node would print. */
const guarded = (call: string): string =>
  `await ${call}.catch((error) => { process.stderr.write((error?.stack ?? error) + "\\n"); process.exit(1); });`;

interface CopiedMigrations {
  readonly files: readonly BundledFile[];
  readonly migrations: Migration[];
}

async function copyMigrations(folder: string, outDir: string): Promise<CopiedMigrations> {
  const files: BundledFile[] = [];
  const migrations: Migration[] = [];
  const texts: MigrationText[] = [];
  const sources = { kit: join(root, "cells/kit/migrations"), app: join(folder, "migrations") };
  for (const series of migrationSeries) {
    await mkdir(join(outDir, "migrations", series), { recursive: true });
    // Hidden files are editors' and Git's, such as the .gitkeep of an application without tables.
    const names = (await readdir(sources[series])).filter((name) => !name.startsWith("."));
    for (const name of names.toSorted()) {
      const parsed = parseMigrationFile(name);
      if (parsed === null)
        throw bundleError(
          "bad-application",
          `The migration ${series}/${name} is not named NNNN-name.<expand|contract|irreversible>.sql.`,
        );
      const path = `migrations/${series}/${name}`;
      await copyFile(join(sources[series], name), join(outDir, path));
      const file = await fileOf(outDir, path);
      files.push(file);
      migrations.push({ series, ...parsed, digest: file.digest });
      texts.push({ series, file: name, class: parsed.class, sql: await readFile(join(sources[series], name), "utf8") });
    }
  }
  await refuseMigrations(texts);
  return { files, migrations };
}

/** @throws bad-migration with each place, why it is refused, and the fix. */
async function refuseMigrations(texts: readonly MigrationText[]): Promise<void> {
  try {
    const findings = await lintMigrations(texts);
    if (findings.length === 0) return;
    throw bundleError("bad-migration", findings.map(migrationFindingText).join("\n"));
  } catch (error) {
    if (error instanceof MigrationSyntaxError) throw bundleError("bad-migration", error.message, { cause: error });
    throw error;
  }
}

async function fileOf(outDir: string, path: string): Promise<BundledFile> {
  const source = join(outDir, path);
  const content = await readFile(source);
  return { path, digest: sha256(content), bytes: content.length, executable: false, source };
}

/** Digests of runtimes that were read already: the file takes a hundred megabytes. */
const knownRuntimes = new Map<string, Promise<string>>();

async function runtimeOf(node: string): Promise<{ readonly file: BundledFile; readonly version: string }> {
  const { size, mtimeMs } = await stat(node);
  const key = `${node} ${size} ${mtimeMs}`;
  const digest = knownRuntimes.get(key) ?? digestFile(node);
  knownRuntimes.set(key, digest);
  const version = node === process.execPath ? process.version : (await run(node, ["--version"])).stdout.trim();
  return { file: { path: "node", digest: await digest, bytes: size, executable: true, source: node }, version };
}

async function digestFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1_048_576 })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
