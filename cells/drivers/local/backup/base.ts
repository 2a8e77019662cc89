import { randomBytes } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../../../common/clock.ts";
import { connect, type Client } from "../../../../common/postgres/pool.ts";
import { driverError } from "../../errors.ts";
import { syncFolder } from "../files.ts";
import { serverFacts, startBackup, stopBackup } from "./backup.store.ts";
import type { CellDatabase } from "./cell-database.ts";
import { backupPaths } from "./layout.ts";
import { packDirectory } from "./pack.ts";
import { backupId, writeManifest, type BaseManifest } from "./records.ts";

/** The pack of a base, in its folder. */
export const packFile = "base.pack";

/**
 * Takes a base backup of a running cell by PostgreSQL's low-level API: the connection that begins it is held until its end, the data directory is
 * copied meanwhile, and the WAL of that time is archived before it counts. A base without a manifest, left by a crash, is none.
 * @throws backup-failed with the cause
 */
export async function takeBase(database: CellDatabase, clock: Clock): Promise<BaseManifest> {
  const life = await database.notes.archivedLife();
  if (life === null) throw driverError("backup-failed", `${database.cell} does not archive yet; restart it once.`);
  const startedAt = new Date(clock.now());
  const id = backupId(startedAt, randomBytes(2).toString("hex"));
  const folder = backupPaths(database.home, database.cell).base(life, id);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  try {
    const manifest = await copy(database, { id, life, startedAt, folder }, clock);
    await writeManifest(folder, manifest);
    return manifest;
  } catch (cause) {
    await rm(folder, { recursive: true, force: true });
    throw driverError("backup-failed", `${database.cell} was not copied: ${(cause as Error).message}`, { cause });
  }
}

async function copy(
  database: CellDatabase,
  base: { readonly id: string; readonly life: string; readonly startedAt: Date; readonly folder: string },
  clock: Clock,
): Promise<BaseManifest> {
  const client = await connect(database.superuserUrl("postgres"), `${database.cell}-backup`);
  try {
    const { serverVersion, segmentBytes, archiving } = await serverFacts(client);
    if (!archiving) throw new Error("the server does not archive its WAL");
    const start = await startBackup(client, `cellplane ${base.id}`);
    const packed = await packDirectory(database.directory, join(base.folder, packFile));
    const { label, ...stop } = await finish(client);
    await syncFolder(base.folder);
    return {
      version: 1,
      id: base.id,
      cell: database.cell,
      life: base.life,
      startedAt: base.startedAt.toISOString(),
      endedAt: new Date(clock.now()).toISOString(),
      startLsn: start.lsn,
      stopLsn: stop.lsn,
      firstSegment: start.segment,
      lastSegment: stop.segment,
      segmentBytes,
      label,
      serverVersion,
      folders: [...packed.folders],
      files: [...packed.files],
      bytes: packed.bytes,
      packedBytes: packed.packedBytes,
    };
  } finally {
    await client.end();
  }
}

async function finish(client: Client): ReturnType<typeof stopBackup> {
  const end = await stopBackup(client);
  if (!end.label.startsWith("START WAL LOCATION")) throw new Error("the server gave no backup label");
  return end;
}
