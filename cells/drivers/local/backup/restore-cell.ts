import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { TenantLoss } from "../../../../common/contracts/restores.ts";
import { connect } from "../../../../common/postgres/pool.ts";
import { uuidv7 } from "../../../../common/uuid.ts";
import { driverError } from "../../errors.ts";
import { cellPaths, processNames } from "../cell-layout.ts";
import { admitClaim } from "../claims.ts";
import { exists, syncFolder, writeAtomically } from "../files.ts";
import { postgresProcess } from "../postgres.ts";
import { migrateCell } from "../release-migration.ts";
import { makeArchive, newLife } from "./archive.ts";
import { beginNextLife } from "./backup.store.ts";
import { findBase } from "./backups.ts";
import { withBeside, type BesideDatabase, type RestoreMeans } from "./beside.ts";
import type { CellDatabase } from "./cell-database.ts";
import { openFormer, type FormerDatabase } from "./former.ts";
import { archiveSeenFromData, backupPaths } from "./layout.ts";
import { alone } from "./lock.ts";
import { lossOf } from "./loss.ts";
import { recoveryWalFolder } from "./wal.ts";
import { inspect } from "./verify.ts";
import { dropRestoreNote, readRestoreNote, writeRestoreNote, type RestoreNote } from "./restore-note.ts";

// A restore of a cell in place.
//   stopped     API and worker are down, the database may still be read   → recovered, or started again as it was
//   recovered   the restored database was checked beside the old one       → swapped (the note is written: from here only forward)
//   swapped     new incarnation on file, directories exchanged             → started
//   started     serves nobody until the registry has confirmed its leases
// The incarnation's file changes before a restored database can start, so that no process ever takes it for the old life.

const healthyWithinMs = 60_000;

export interface RestoredCell {
  readonly base: string;
  /** The newest commit that was restored. */
  readonly through: string;
  readonly incarnation: string;
  /** Folder with the data directory that was replaced, kept a day; null where there was none. */
  readonly aside: string | null;
  /** From the first step until the restored database answered. */
  readonly restoreMs: number;
  readonly tenants: readonly TenantLoss[];
  /** Why what is lost is bounded and not counted: what the former database said when it was read; null where it was counted. */
  readonly uncounted: string | null;
}

/**
 * Restores a cell to a moment, in place. Its API and worker stop first, its data directory is kept aside, its Redis begins empty.
 * A restore that was broken off after its point of no return is finished instead, whatever moment is asked for: its outcome is told.
 * @param until null for the newest state there is
 * @param claim the token under which it is done; where a higher one has come before the point of no return, the cell is left to that
 * @throws backup-busy, no-backup, cell-fenced, migration-failed, claim-outranked; restore-failed, after which the cell runs as before
 */
export async function restoreCell(
  database: CellDatabase,
  means: RestoreMeans,
  until: Date | null,
  claim?: number,
): Promise<RestoredCell> {
  if (await database.notes.fenced()) throw driverError("cell-fenced", `${database.cell} is fenced.`);
  await admitClaim(database.home, database.cell, claim);
  return await alone(database, async () => {
    const began = means.clock.monotonic();
    const unfinished = await readRestoreNote(cellPaths(database.home, database.cell).notes);
    const note = unfinished ?? (await recover(database, means, until, claim));
    await finish(database, means, note);
    const { base, through, incarnation, aside, tenants, uncounted = null } = note;
    const told = { base, through, incarnation, aside, tenants, uncounted };
    return { ...told, restoreMs: Math.round(means.clock.monotonic() - began) };
  });
}

/** All up to the point of no return: where it fails, the cell is started again as it was. */
async function recover(
  database: CellDatabase,
  means: RestoreMeans,
  until: Date | null,
  claim: number | undefined,
): Promise<RestoreNote> {
  const base = await findBase(database, until);
  const running = await stopFront(database, means);
  const former = await openFormer(database, means.clock);
  const servedUntil = new Date(means.clock.now());
  try {
    return await withBeside(database, means, base, { until }, async (beside) => {
      const contents = await inspect(beside);
      const tenants = lossOf(contents, await former.marks(beside.through), beside.through, servedUntil);
      await admitClaim(database.home, database.cell, claim);
      return await prepare(database, means, { beside, former, tenants });
    });
  } catch (error) {
    await Promise.all(running.map((name) => means.supervisor.start(name)));
    // Whether or not it is well again in time: why nothing was restored is what its reader has to know.
    await Promise.allSettled(running.map((name) => means.supervisor.waitHealthy(name, healthyWithinMs)));
    throw error;
  } finally {
    await former.close();
  }
}

/** Stops what takes requests and jobs; the database may still be asked. @returns what ran, to start it again if need be */
async function stopFront({ cell }: CellDatabase, { supervisor }: RestoreMeans): Promise<string[]> {
  const front = (await supervisor.list()).filter(
    (process) => process.cell === cell && (process.role === "api" || process.role === "worker"),
  );
  await Promise.all(front.map(({ name }) => supervisor.stop(name)));
  return front.filter(({ held }) => !held).map(({ name }) => name);
}

const readyName = "data.restored";

interface Checked {
  readonly beside: BesideDatabase;
  readonly former: FormerDatabase;
  readonly tenants: readonly TenantLoss[];
}

/** Makes the checked database the next life's, sets it ready beside the old one, and writes down that only forward is left. */
async function prepare(database: CellDatabase, { clock }: RestoreMeans, checked: Checked): Promise<RestoreNote> {
  const { beside, former, tenants } = checked;
  const paths = cellPaths(database.home, database.cell);
  const life = newLife(new Date(clock.now()));
  const incarnation = uuidv7();
  const client = await connect(beside.url("cell"), "next-life");
  try {
    const highest = Math.max(former.claimToken, await database.notes.claim());
    await beginNextLife(client, { incarnation, liveSlot: await database.notes.liveSlot(), claimToken: highest });
  } finally {
    await client.end();
  }
  await beside.stop();
  await rm(join(beside.directory, recoveryWalFolder), { recursive: true, force: true });
  const ready = join(paths.folder, readyName);
  await rm(ready, { recursive: true, force: true });
  await rename(beside.directory, ready);
  await syncFolder(paths.folder);
  const replaced = (await exists(database.directory))
    ? join(backupPaths(database.home, database.cell).aside, life)
    : null;
  const { base, through } = beside;
  const told = { base: base.id, through, tenants: [...tenants], uncounted: former.unread };
  const note = { incarnation, life, aside: replaced, ...told };
  await writeRestoreNote(paths.notes, note);
  return note;
}

/** Every step may be repeated. */
async function finish(database: CellDatabase, means: RestoreMeans, note: RestoreNote): Promise<void> {
  const { supervisor } = means;
  const paths = cellPaths(database.home, database.cell);
  const names = processNames(database.cell);
  await stopFront(database, means);
  const known = new Set((await supervisor.list()).map(({ name }) => name));
  await Promise.all(
    [names.postgres, names.redis].filter((name) => known.has(name)).map((name) => supervisor.stop(name)),
  );

  await writeAtomically(paths.incarnation, `${note.incarnation}\n`);
  const ready = join(paths.folder, readyName);
  if (await exists(ready)) {
    await mkdir(backupPaths(database.home, database.cell).aside, { recursive: true, mode: 0o700 });
    if (note.aside !== null && (await exists(database.directory))) await rename(database.directory, note.aside);
    await rename(ready, database.directory);
    await syncFolder(paths.folder);
  }
  const { binDir, version, user } = database.server;
  await makeArchive({ home: database.home, cell: database.cell, user }, note.life);
  await database.notes.writeArchivedLife(note.life);
  await emptyRedis(paths.redis);

  const archive = archiveSeenFromData(note.life);
  const server = { binaries: { binDir, version }, user, directory: database.directory, archive };
  const place = { name: names.postgres, cell: database.cell, port: database.ports.postgres };
  await supervisor.put(postgresProcess(server, place));
  await supervisor.start(names.postgres);
  await supervisor.waitHealthy(names.postgres, healthyWithinMs);
  if (known.has(names.redis)) {
    await supervisor.start(names.redis);
    await supervisor.waitHealthy(names.redis, healthyWithinMs);
  }
  try {
    await migrateToPresent(database, means);
  } finally {
    // A schema that its release cannot run on keeps the cell from being ready, which it says itself.
    await startFront(database, means);
    await dropRestoreNote(paths.notes);
  }
}

/** All that Redis holds is rebuilt from the database; what it holds of the old life must not run in the new one. */
async function emptyRedis(directory: string): Promise<void> {
  if (!(await exists(directory))) return;
  for (const name of await readdir(directory))
    if (name !== "redis.conf") await rm(join(directory, name), { recursive: true, force: true });
}

/** What runs in the live slot may be newer than the schema that was restored. */
async function migrateToPresent(database: CellDatabase, { supervisor }: RestoreMeans): Promise<void> {
  const release = (await database.notes.slots())[await database.notes.liveSlot()];
  if (release !== null) await migrateCell(database.home, database.cell, release, supervisor);
}

async function startFront({ cell }: CellDatabase, { supervisor }: RestoreMeans): Promise<void> {
  const front = (await supervisor.list()).filter(
    (process) => process.cell === cell && (process.role === "api" || process.role === "worker"),
  );
  await Promise.all(front.map(({ name }) => supervisor.start(name)));
  await Promise.all(front.map(({ name }) => supervisor.waitHealthy(name, healthyWithinMs)));
}
