import { chown, copyFile, link, mkdir, open, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../../../../common/clock.ts";
import { connect } from "../../../../common/postgres/pool.ts";
import { driverError } from "../../errors.ts";
import { exists } from "../files.ts";
import { postgresProcess } from "../postgres.ts";
import type { Supervisor } from "../supervisor/client.ts";
import { supervisorPaths } from "../supervisor/paths.ts";
import { archivedSegments } from "./archive.ts";
import { newestCommit } from "./backup.store.ts";
import { packFile } from "./base.ts";
import { superuserUrl, type CellDatabase } from "./cell-database.ts";
import { backupPaths, besidePort, besideProcess } from "./layout.ts";
import { unpackDirectory } from "./pack.ts";
import type { BaseManifest } from "./records.ts";
import { chainFrom, recoveryWalFolder, restoreCommand } from "./wal.ts";

/** A day of WAL is replayed in minutes; a recovery that takes longer has something wrong with it. */
const recoveryMs = 1_800_000;
const pollMs = 100;
const logTail = 4_000;

/** A database that was restored beside its cell, on a port that nobody is told of, and that archives nothing. */
export interface BesideDatabase {
  readonly base: BaseManifest;
  readonly directory: string;
  /** When the newest commit that it has was made, to the microsecond; where none has a time, the end of its base. */
  readonly through: string;
  /** From the beginning of the restore until it answered a question. */
  readonly restoreMs: number;
  url(database: "postgres" | "cell"): string;
  /** Stops it and leaves its directory as it is. */
  stop(): Promise<void>;
}

/** How far to restore. */
export interface Aim {
  /** The moment; null for all that is archived. */
  readonly until: Date | null;
  /** The segments to go by, where those of now are not meant: the ones that a lost disk would have left. */
  readonly archived?: ReadonlySet<string>;
}

/** What of the machine a restore needs. */
export interface RestoreMeans {
  readonly supervisor: Supervisor;
  readonly clock: Clock;
}

/**
 * Restores a base with the WAL that follows it beside the cell, uses it, and removes every trace of it. The cell itself is not touched. The caller holds the
 * cell's lock (lock.ts).
 * @throws restore-failed
 */
export async function withBeside<Result>(
  database: CellDatabase,
  means: RestoreMeans,
  base: BaseManifest,
  aim: Aim,
  work: (beside: BesideDatabase) => Promise<Result>,
): Promise<Result> {
  try {
    return await work(await openBeside(database, means, base, aim));
  } finally {
    await clearBeside(database, means.supervisor);
  }
}

/** Ends and removes what a restore beside the cell left, e.g. one whose process was killed. */
export async function clearBeside(database: CellDatabase, supervisor: Supervisor): Promise<void> {
  await supervisor.remove(besideProcess(database.cell));
  await rm(backupPaths(database.home, database.cell).beside, { recursive: true, force: true });
}

async function openBeside(
  database: CellDatabase,
  means: RestoreMeans,
  base: BaseManifest,
  aim: Aim,
): Promise<BesideDatabase> {
  const began = means.clock.monotonic();
  let recovered = await tryRecovery(database, means, base, aim);
  // PostgreSQL refuses to end before a moment that no commit comes after. Then the end of the WAL is the state of that moment.
  recovered ??= await tryRecovery(database, means, base, { ...aim, until: null });
  if (recovered === null) throw new Error("a recovery without a target missed it");
  const url = (name: "postgres" | "cell"): string => superuserUrl(database.secrets, besidePort(database.ports), name);
  const client = await connect(url("cell"), `${database.cell}-restore`);
  try {
    return {
      base,
      directory: recovered,
      through: (await newestCommit(client)) ?? base.endedAt,
      restoreMs: Math.round(means.clock.monotonic() - began),
      url,
      stop: async () => means.supervisor.remove(besideProcess(database.cell)),
    };
  } finally {
    await client.end();
  }
}

/** @returns the directory of the database, which runs; null where the archive holds no commit after the moment, and PostgreSQL would not end before it */
async function tryRecovery(
  database: CellDatabase,
  { supervisor, clock }: RestoreMeans,
  base: BaseManifest,
  { until, archived }: Aim,
): Promise<string | null> {
  await clearBeside(database, supervisor);
  const directory = await layOut(database, base, archived);
  const name = besideProcess(database.cell);
  const log = supervisorPaths(database.home).log(name);
  const logStart = (await exists(log)) ? (await stat(log)).size : 0;
  const { binDir, version, user } = database.server;
  const server = { binaries: { binDir, version }, user, directory };
  const spec = postgresProcess(server, { name, cell: null, port: besidePort(database.ports) });
  await supervisor.put({ ...spec, args: [...spec.args, ...recoverySettings(until)], graceMs: 60_000 });
  const deadline = clock.monotonic() + recoveryMs;
  for (;;) {
    const status = (await supervisor.list()).find((process) => process.name === name);
    if (status?.state === "running") return directory;
    const failed =
      status === undefined || status.restarts > 0 || status.state === "backoff" || status.state === "stopped";
    if (failed || clock.monotonic() > deadline) {
      await supervisor.remove(name);
      const words = await readFrom(log, logStart);
      if (until !== null && words.includes("recovery ended before configured recovery target was reached")) return null;
      throw driverError("restore-failed", `${base.id} of ${database.cell} did not recover; see ${log}.`, {
        cause: new Error(words),
      });
    }
    await sleep(pollMs);
  }
}

/** The data directory as the base has it, with the WAL that leads on from it. */
async function layOut(database: CellDatabase, base: BaseManifest, archived?: ReadonlySet<string>): Promise<string> {
  const paths = backupPaths(database.home, database.cell);
  const { user } = database.server;
  const directory = join(paths.beside, "data");
  await mkdir(paths.beside, { recursive: true, mode: 0o700 });
  await unpackDirectory(join(paths.base(base.life, base.id), packFile), base, directory, user);
  const own = async (path: string): Promise<void> => {
    if (user !== null) await chown(path, user.uid, user.gid);
  };
  for (const [name, text] of [
    ["backup_label", base.label],
    ["recovery.signal", ""],
  ] as const) {
    await writeFile(join(directory, name), text, { mode: 0o600 });
    await own(join(directory, name));
  }
  const wal = join(directory, recoveryWalFolder);
  await mkdir(wal, { mode: 0o700 });
  await own(wal);
  const segments = archived ?? (await archivedSegments(database.home, database.cell, base.life));
  const chain = chainFrom(base.firstSegment, segments, base.segmentBytes);
  for (const segment of chain) {
    const from = join(paths.wal(base.life), `${segment}.gz`);
    const to = join(wal, `${segment}.gz`);
    try {
      await link(from, to);
    } catch (error) {
      // An archive on another file system.
      if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
      await copyFile(from, to);
      await own(to);
    }
  }
  return directory;
}

/** Nothing of the restored database reaches the cell's archive; nobody is let in before the recovery's end; nothing is written of its own accord. */
function recoverySettings(until: Date | null): string[] {
  const settings = [
    "archive_mode=off",
    "hot_standby=off",
    "autovacuum=off",
    "track_commit_timestamp=on",
    `restore_command=${restoreCommand}`,
    "recovery_target_timeline=current",
    "recovery_target_action=promote",
    // When the command line is read no abbreviations are known yet, `Z` neither.
    ...(until === null ? [] : [`recovery_target_time=${until.toISOString().replace("T", " ").replace("Z", "+00")}`]),
  ];
  return settings.flatMap((setting) => ["-c", setting]);
}

async function readFrom(path: string, start: number): Promise<string> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    // A log that was rotated meanwhile begins anew.
    const from = Math.max(size < start ? 0 : start, size - logTail);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(logTail), 0, logTail, from);
    return buffer.subarray(0, bytesRead).toString("utf8");
  } finally {
    await file.close();
  }
}
