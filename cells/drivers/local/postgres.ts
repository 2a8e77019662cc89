import { spawn } from "node:child_process";
import { chown, mkdir, mkdtemp, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { digestOf, sha256 } from "../../../common/canonical.ts";
import type { ProcessSpec } from "../../../common/contracts/supervisor.ts";
import { driverError } from "../errors.ts";
import type { PostgresBinaries } from "./binaries.ts";
import { machineSettings } from "./config.ts";
import type { DatabaseUser } from "./database-user.ts";
import { becomeOf, exists, syncFolder } from "./files.ts";
import { archiveCommand, archiveTimeoutSeconds, walSegmentMb } from "./backup/wal.ts";
import { memory } from "./bounds.ts";
import { passwordStatements, setUpStatements, type DatabasePlan } from "./postgres.store.ts";

/** How a data directory reaches a server that may not enter the folders above it: opened by us, passed as descriptor 3. */
const openedDirectory = "/proc/self/fd/3";

/**
 * Modest memory (many servers share a machine), bounded disk (WAL, temporary files), one way in: TCP on the loopback with
 * a password. `io_method = sync` saves the three I/O workers, which an idle cell would keep for nothing.
 */
const configuration = `
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = ${memory.postgres.maxConnections}
superuser_reserved_connections = 3
shared_buffers = ${memory.postgres.sharedBuffersMb}MB
work_mem = ${memory.postgres.workMemMb}MB
maintenance_work_mem = ${memory.postgres.maintenanceWorkMemMb}MB
huge_pages = off
jit = off
io_method = sync
max_worker_processes = 4
max_parallel_workers = 2
autovacuum_max_workers = 2
wal_level = replica
max_wal_senders = 4
max_replication_slots = 4
min_wal_size = 32MB
max_wal_size = 256MB
temp_file_limit = 1GB
password_encryption = scram-sha-256
timezone = 'UTC'
log_timezone = 'UTC'
log_checkpoints = off
log_line_prefix = '%m [%p] %q%u@%d '
log_lock_waits = on
`;

const access = "# Nobody without a password, from nowhere but this machine.\nhost all all 127.0.0.1/32 scram-sha-256\n";

/** On the command line, because there they win over the file and over ALTER SYSTEM: no cell may run without them. */
const durability = ["-c", "fsync=on", "-c", "full_page_writes=on", "-c", "synchronous_commit=on"];

export interface PostgresServer {
  readonly binaries: PostgresBinaries;
  readonly user: DatabaseUser | null;
  /** The data directory; made when missing. */
  readonly directory: string;
  /** Where its WAL is archived, seen from the data directory; none for a database that can be made anew. */
  readonly archive?: string;
}

/**
 * Makes a data directory with its roles and databases, unless it is there: a copy of the machine's template, set up in single-user mode,
 * synced and renamed into place, so that it is either complete or absent, and never listens with a password that is
 * not its own. (A cluster of its own by initdb would cost a second of CPU; the price of the copy is that all clusters share their
 * system identifier, so that identifier proves nothing here: a cell's life is known by its incarnation.)
 * @returns whether it was made now.
 * @throws preparation-failed with the program's last words as the cause.
 */
export async function preparePostgres(server: PostgresServer, plan: DatabasePlan): Promise<"created" | "existing"> {
  if (await exists(server.directory)) {
    await refuseOtherVersion(server);
    return "existing";
  }
  const template = await locateTemplate(server.binaries, server.user);
  const unfinished = `${server.directory}.unfinished`;
  await mkdir(dirname(unfinished), { recursive: true, mode: 0o700 });
  await rm(unfinished, { recursive: true, force: true });
  await runProgram("/bin/cp", ["-a", "--reflink=auto", template, unfinished], { user: null, directory: "/" });
  await runStatements(server, unfinished, "template1", setUpStatements(plan));
  await runProgram(join(server.binaries.binDir, "initdb"), ["--sync-only", "-D", openedDirectory], {
    user: server.user,
    directory: unfinished,
  });
  await rename(unfinished, server.directory);
  await syncFolder(dirname(server.directory));
  return "created";
}

/**
 * Gives an existing server's roles the plan's passwords: their own were thrown away when the cell was retired. The server must be down.
 * @throws preparation-failed
 */
export async function renewPasswords(server: PostgresServer, plan: DatabasePlan): Promise<void> {
  await refuseOtherVersion(server);
  // Left by a kill; whoever calls knows that nobody serves the directory.
  await rm(join(server.directory, "postmaster.pid"), { force: true });
  await runStatements(server, server.directory, "postgres", passwordStatements(plan));
}

/** Runs statements in single-user mode in one database, before anybody can connect. */
async function runStatements(
  server: PostgresServer,
  directory: string,
  database: "postgres" | "template1",
  statements: readonly string[],
): Promise<void> {
  const mode = ["--single", "-c", "exit_on_error=on", "-c", "log_min_messages=fatal", "-D", openedDirectory, database];
  const input = statements.map((statement) => `${statement}\n`).join("");
  await runProgram(join(server.binaries.binDir, "postgres"), mode, { user: server.user, directory, input });
}

/** A server starts only on what its own major version made; found here, it is an error with a way out instead of a crash loop. */
async function refuseOtherVersion({ binaries, directory }: PostgresServer): Promise<void> {
  const made = (await readFile(join(directory, "PG_VERSION"), "utf8")).trim();
  const [major] = binaries.version.split(".", 1);
  if (made !== major)
    throw driverError(
      "postgres-version-differs",
      `${directory} was made by PostgreSQL ${made}; the programs are ${major}.`,
    );
}

// `trust` is of no consequence: pg_hba.conf is replaced. The built-in locale sorts alike on every machine.
const initdb =
  `--username=postgres --auth=trust --no-instructions --wal-segsize=${walSegmentMb} --encoding=UTF8 --locale=C --locale-provider=builtin --builtin-locale=C.UTF-8`.split(
    " ",
  );

/** Names all that a template is made of beside the programs: where any of it changes, no server is made from an older one. */
const templateFormat = digestOf({ initdb, configuration, access }).slice(0, 12);

/** The machine's empty cluster, made by `initdb` once per version, format and user. It has no password and is never started. */
async function locateTemplate(binaries: PostgresBinaries, user: DatabaseUser | null): Promise<string> {
  const { cache } = machineSettings();
  const owner = user === null ? "own" : String(user.uid);
  const target = join(cache, `postgres-${binaries.version}-template-${templateFormat}-${owner}`);
  if (await exists(target)) return target;
  await mkdir(cache, { recursive: true, mode: 0o755 });
  const unfinished = await mkdtemp(`${target}.`);
  try {
    await makeTemplate(binaries, user, unfinished);
    await becomeOf(unfinished, target);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    throw error;
  }
  return target;
}

async function makeTemplate(binaries: PostgresBinaries, user: DatabaseUser | null, directory: string): Promise<void> {
  if (user !== null) await chown(directory, user.uid, user.gid);
  await runProgram(join(binaries.binDir, "initdb"), ["-D", openedDirectory, ...initdb], { user, directory });
  await writeFile(join(directory, "postgresql.conf"), configuration.trimStart());
  await writeFile(join(directory, "pg_hba.conf"), access);
}

interface ProgramRun {
  readonly user: DatabaseUser | null;
  /** Working directory, also passed as descriptor 3. */
  readonly directory: string;
  readonly input?: string;
}

async function runProgram(command: string, args: readonly string[], run: ProgramRun): Promise<void> {
  const folder = await open(run.directory, "r");
  try {
    const child = spawn(command, args, {
      cwd: run.directory,
      env: { PATH: "/usr/bin:/bin", LC_ALL: "C" },
      stdio: ["pipe", "ignore", "pipe", folder.fd],
      ...(run.user === null ? {} : { uid: run.user.uid, gid: run.user.gid }),
    });
    let complaint = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (complaint = (complaint + text).slice(-4000)));
    // A program that dies at once closes its end first; its exit code says all there is to say.
    child.stdin?.on("error", () => undefined).end(run.input ?? "");
    const code = await new Promise<number | string>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (status, signal) => resolve(status ?? signal ?? "unknown"));
    });
    if (code !== 0) throw new Error(`${command} ended with ${code}: ${complaint.trim()}`);
  } catch (cause) {
    throw driverError("preparation-failed", `The directory ${run.directory} could not be prepared.`, { cause });
  } finally {
    await folder.close();
  }
}

/** Who a server is under the supervisor. */
export interface PostgresPlace {
  readonly name: string;
  readonly cell: ProcessSpec["cell"];
  readonly port: number;
}

/**
 * Archiving of a cell's WAL, and the time of each commit kept, so that a restore can say per tenant what it lost. On the command line like durability, so
 * that a cell that was provisioned without them gets them at its next start.
 */
function archiving(folder: string): string[] {
  const settings = [
    "archive_mode=on",
    `archive_timeout=${archiveTimeoutSeconds}`,
    `archive_command=${archiveCommand(folder)}`,
    "track_commit_timestamp=on",
  ];
  return settings.flatMap((setting) => ["-c", setting]);
}

/** The process that serves a data directory. SIGINT is PostgreSQL's fast shutdown: transactions are rolled back, nothing is waited for. */
export function postgresProcess(server: PostgresServer, place: PostgresPlace): ProcessSpec {
  // PostgreSQL puts it into the title of each backend, which `ps` shows and the supervisor knows leftovers by.
  const clusterName = `${place.name}.${sha256(server.directory).slice(0, 12)}`;
  return {
    name: place.name,
    role: "postgres",
    cell: place.cell,
    release: null,
    command: join(server.binaries.binDir, "postgres"),
    args: [
      "-D",
      openedDirectory,
      "-p",
      String(place.port),
      "-c",
      `cluster_name=${clusterName}`,
      ...durability,
      ...(server.archive === undefined ? [] : archiving(server.archive)),
    ],
    env: {},
    cwd: server.directory,
    user: server.user === null ? null : { uid: server.user.uid, gid: server.user.gid },
    directoryFd: true,
    mark: clusterName,
    // Names the pid of a killed postmaster. After a restart of the machine that pid may belong to another database, and
    // PostgreSQL would refuse to start; the supervisor has a better proof that nobody serves the directory.
    staleFiles: ["postmaster.pid"],
    port: place.port,
    url: null,
    health: { kind: "postgres", port: place.port },
    stopSignal: "SIGINT",
    graceMs: 20_000,
    after: [],
    desired: "running",
  };
}
