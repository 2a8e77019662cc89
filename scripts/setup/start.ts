import type { PostgresBinaries } from "../../cells/drivers/local/binaries.ts";
import { ensurePostgres, ensureRedis } from "./servers.ts";
import { ensureTemporal, type Temporal } from "./temporal.ts";

/** What a fleet on this machine is made of, besides our own sources. */
export interface Ingredients {
  readonly postgres: PostgresBinaries;
  /** Path of redis-server or valkey-server. */
  readonly redis: string;
  readonly temporal: Temporal;
}

/**
 * Finds or brings everything that `npm start` needs. Only Temporal may be missing.
 * @throws SetupError saying what to install.
 */
export async function prepareStart(): Promise<Ingredients> {
  const postgres = await ensurePostgres();
  const redis = await ensureRedis();
  const temporal = await ensureTemporal();
  return { postgres, redis, temporal };
}
