import { mkdir, rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../../../common/clock.ts";
import type { CellPorts } from "../../../common/contracts/home.ts";
import { slots, type Slot } from "../../../common/contracts/lease.ts";
import type { MigrationClass } from "../../../common/contracts/release.ts";
import type { CellId } from "../../../common/ids.ts";
import { ensureSigningKey } from "../../../common/keys.ts";
import type {
  CellAddresses,
  CellBackup,
  CellDriver,
  CellPlan,
  CellReport,
  CellRestore,
  ReleaseRef,
  ReleaseSource,
} from "../driver.ts";
import { driverError } from "../errors.ts";
import { ensureArchive } from "./backup/archive.ts";
import { createBackup } from "./backup/backups.ts";
import type { RestoreMeans } from "./backup/beside.ts";
import { findCellDatabase, type CellDatabase } from "./backup/cell-database.ts";
import { restoreCell } from "./backup/restore-cell.ts";
import type { PostgresBinaries } from "./binaries.ts";
import { disk } from "./bounds.ts";
import { CellAdmin, type ProcessWord } from "./cell-admin.ts";
import { addressesOf, cellPaths, processNames } from "./cell-layout.ts";
import { CellNotes, type CellRecord } from "./cell-notes.ts";
import { makeCellSecrets, readCellSecrets, writeCellSecrets, type CellSecrets } from "./cell-secrets.ts";
import { admitClaim } from "./claims.ts";
import { databasePlan } from "./database-plan.ts";
import type { DatabaseUser } from "./database-user.ts";
import { exists } from "./files.ts";
import { postgresProcess, preparePostgres, renewPasswords, type PostgresServer } from "./postgres.ts";
import { pruneReleases, pruneRuntimes } from "./prune.ts";
import { prepareRedis, redisConfiguration, redisProcess } from "./redis.ts";
import { installFiles, installedManifest } from "./release-files.ts";
import { migrateCell, readCellFacts } from "./release-migration.ts";
import { releaseProcesses, type CellFacts } from "./release-processes.ts";
import { layToRest, raise } from "./retired.ts";
import { claimIn, liveSlotIn, slotReport } from "./slot-report.ts";
import type { Supervisor } from "./supervisor/client.ts";

/** The programs that servers are made of. */
export interface ServerPrograms {
  readonly postgres: PostgresBinaries;
  /** redis-server or valkey-server. */
  readonly redis: string;
  readonly user: DatabaseUser | null;
}

export interface LocalDriverOptions {
  readonly home: string;
  readonly clock: Clock;
  /** The supervisor that lives now. @throws supervisor-unreachable */
  readonly supervisor: () => Promise<Supervisor>;
  /** Found when a cell is provisioned, not before: other methods do not need them. */
  readonly programs: () => Promise<ServerPrograms>;
  /** The ports that belong to a cell. */
  readonly ports: (cell: CellId) => CellPorts;
  readonly releases: ReleaseSource;
  /** What cells follow: the control plane's address and the publisher's public keys (base64). */
  readonly fleet: { readonly url: string; readonly trustKeys: readonly string[] };
  /** A command token that the cell will accept. */
  readonly token: (cell: CellId) => Promise<string>;
  readonly logLevel: string;
  /** How long a drain waits at most, in milliseconds. */
  readonly drainMs?: number;
}

/** A database that was killed replays its log first. */
const serverStartMs = 60_000;
/** A start that comes to nothing is held against the release, so a machine that is short of breath gets time. */
const releaseStartMs = 60_000;
const drainPollMs = 250;
/** Routers turn at the first answer after the switch; a connection that stays idle this long carries nothing any more. */
const idleConnectionsMs = 3_000;
/** A worker that takes no more jobs ends within 30 s; what is still there then is given up and runs again elsewhere. */
const drainMs = 35_000;

/** Cells as processes on this machine, by way of the supervisor; each with its own PostgreSQL, Redis and credentials. */
export class LocalDriver implements CellDriver {
  readonly #options: LocalDriverOptions;
  readonly #admin: CellAdmin;

  constructor(options: LocalDriverOptions) {
    this.#options = options;
    this.#admin = new CellAdmin(options.token);
  }

  async provision(plan: CellPlan, claim?: number): Promise<CellAddresses> {
    const { home, fleet, logLevel } = this.#options;
    const paths = cellPaths(home, plan.id);
    if (await this.#notes(plan.id).fenced()) throw driverError("cell-fenced", `${plan.id} is fenced.`);
    await mkdir(paths.folder, { recursive: true, mode: 0o700 });
    await admitClaim(home, plan.id, claim);
    await raise(paths.folder);
    ensureSigningKey(paths.key);
    const [programs, supervisor] = await Promise.all([this.#options.programs(), this.#options.supervisor()]);
    const ports = this.#options.ports(plan.id);
    const archive = await ensureArchive({
      home,
      cell: plan.id,
      user: programs.user,
      at: new Date(this.#options.clock.now()),
    });
    const postgres = { binaries: programs.postgres, user: programs.user, directory: paths.data, archive };
    const redis = { program: programs.redis, user: programs.user, directory: paths.redis };
    const secrets = await this.#credentials(plan.id, postgres, supervisor);
    await Promise.all([preparePostgres(postgres, databasePlan(secrets)), prepareRedis(redis, secrets.redis)]);
    const record: CellRecord = {
      version: 1,
      id: plan.id,
      region: plan.region,
      ports,
      fleet: { url: fleet.url, trustKeys: [...fleet.trustKeys] },
      logLevel,
    };
    await this.#notes(plan.id).writeRecord(record);
    await this.#notes(plan.id).writeServer({ ...programs.postgres, user: programs.user });

    const names = processNames(plan.id);
    const database = postgresProcess(postgres, { name: names.postgres, cell: plan.id, port: ports.postgres });
    await supervisor.put({ ...database, ballast: ballastIn(paths.ballast) });
    await supervisor.put(redisProcess(redis, { name: names.redis, cell: plan.id, port: ports.redis }));
    await this.#putSlots(supervisor, plan.id);
    await this.#awaitHealthy(supervisor, [names.postgres, names.redis], serverStartMs);
    return addressesOf(ports);
  }

  async installRelease(cell: CellId, release: ReleaseRef, claim?: number): Promise<void> {
    await this.#admitted(cell, claim);
    const paths = cellPaths(this.#options.home, cell);
    await installFiles(release, this.#options.releases, {
      target: paths.release(release.digest),
      runtimes: paths.runtimes,
    });
  }

  async migrate(cell: CellId, release: ReleaseRef, claim?: number, also?: readonly MigrationClass[]): Promise<void> {
    await this.#admitted(cell, claim);
    await migrateCell(this.#options.home, cell, release, await this.#options.supervisor(), also);
  }

  async startRelease(cell: CellId, slot: Slot, release: ReleaseRef, claim?: number): Promise<void> {
    await this.#admitted(cell, claim);
    const facts = await this.#facts(cell);
    const notes = this.#notes(cell);
    if (await notes.fenced()) throw driverError("cell-fenced", `${cell} is fenced.`);
    const there = (await notes.slots())[slot];
    if (there !== null && there.digest !== release.digest) {
      throw driverError("slot-taken", `Slot ${slot} of ${cell} has ${there.name}.`);
    }
    const manifest = await installedManifest(release, cellPaths(this.#options.home, cell).release(release.digest));
    const supervisor = await this.#options.supervisor();
    await notes.writeSlot(slot, release);
    const specs = releaseProcesses(facts, slot, release, manifest);
    for (const spec of specs) await supervisor.put(spec);
    await this.#awaitHealthy(
      supervisor,
      specs.map(({ name }) => name),
      releaseStartMs,
    );
  }

  /**
   * What was asked for is noted before, and what became of it after: a death between leaves two slots that may be live, and neither is stopped until
   * the cell itself has said which one is.
   */
  async switchSlot(cell: CellId, from: Slot, to: Slot, claim?: number): Promise<void> {
    const { ports } = await this.#admitted(cell, claim);
    const notes = this.#notes(cell);
    const taken = await notes.slots();
    if (taken[to] === null) throw driverError("slot-empty", `Nothing is in slot ${to} of ${cell}.`);
    await notes.writeSwitch(from, to);
    const token = claim === undefined ? {} : { token: claim };
    await this.#admin.switchSlot(cell, addressesOf(ports)[to].adminUrl, { from, to, ...token });
    for (const lived of [taken[from], taken[to]]) if (lived !== null) await notes.writeLived(lived.digest);
    await notes.writeLiveSlot(to);
  }

  async drain(cell: CellId, slot: Slot): Promise<void> {
    const { clock } = this.#options;
    const { ports } = await this.#record(cell);
    await this.#refuseLive(cell, slot);
    const { adminUrl, workerUrl } = addressesOf(ports)[slot];
    const longestMs = this.#options.drainMs ?? drainMs;
    const begun = clock.monotonic();
    for (;;) {
      const words = await Promise.all([this.#admin.ask(cell, adminUrl), this.#admin.ask(cell, workerUrl)]);
      const loads = words.flatMap((word) => (word.kind === "status" ? [word.status] : []));
      const busy = loads.some(({ inFlight }) => inFlight > 0);
      const connected = loads.some(({ connections }) => connections > 0);
      if (liveSlotIn(words) === slot) throw driverError("slot-live", `Slot ${slot} of ${cell} was switched back to.`);
      const elapsedMs = clock.monotonic() - begun;
      if (elapsedMs > longestMs || (!busy && (!connected || elapsedMs > idleConnectionsMs))) return;
      await sleep(drainPollMs);
    }
  }

  async stopRelease(cell: CellId, slot: Slot, claim?: number): Promise<void> {
    await this.#admitted(cell, claim);
    const notes = this.#notes(cell);
    if ((await notes.slots())[slot] !== null) await this.#refuseLive(cell, slot);
    const supervisor = await this.#options.supervisor();
    const names = processNames(cell);
    await Promise.all([supervisor.remove(names.api(slot)), supervisor.remove(names.worker(slot))]);
    await notes.writeSlot(slot, null);
    await this.#prune(cell);
  }

  async stop(cell: CellId, claim?: number): Promise<void> {
    await this.#admitted(cell, claim);
    const supervisor = await this.#options.supervisor();
    const { front, servers } = await this.#processes(supervisor, cell);
    await Promise.all(front.map((name) => supervisor.stop(name)));
    await Promise.all(servers.map((name) => supervisor.stop(name)));
  }

  async start(cell: CellId, claim?: number): Promise<void> {
    await this.#admitted(cell, claim);
    if (await this.#notes(cell).fenced()) throw driverError("cell-fenced", `${cell} is fenced.`);
    const supervisor = await this.#options.supervisor();
    const { front, servers } = await this.#processes(supervisor, cell);
    const all = [...servers, ...front];
    await Promise.all(all.map((name) => supervisor.start(name)));
    await this.#awaitHealthy(supervisor, all, serverStartMs);
  }

  /** The note first, so that nobody starts the cell again between; then the supervisor forgets it, so that nobody can by its name. */
  async fence(cell: CellId, claim?: number): Promise<void> {
    await this.#admitted(cell, claim);
    const notes = this.#notes(cell);
    if (!(await notes.fenced())) await notes.writeFence(new Date(this.#options.clock.now()));
    await this.#removeProcesses(cell);
  }

  async backup(cell: CellId, claim?: number): Promise<CellBackup> {
    const { manifest, verification } = await createBackup(
      await this.#database(cell, claim),
      await this.#restoreMeans(),
    );
    const { tenants = 0, rows = 0 } = verification ?? {};
    return { id: manifest.id, from: new Date(manifest.endedAt), tenants, rows };
  }

  async restore(cell: CellId, until: Date | null, claim?: number): Promise<CellRestore> {
    const database = await this.#database(cell, claim);
    const restored = await restoreCell(database, await this.#restoreMeans(), until, claim);
    const { base, through, incarnation, restoreMs, tenants } = restored;
    return { backup: base, through, incarnation, restoreMs, tenants };
  }

  async status(cell: CellId): Promise<CellReport> {
    const { ports } = await this.#record(cell);
    const notes = this.#notes(cell);
    const addresses = addressesOf(ports);
    const taken = await notes.slots();
    const ask = async (slot: Slot): Promise<readonly ProcessWord[]> => {
      if (taken[slot] === null) return [];
      return Promise.all([
        this.#admin.ask(cell, addresses[slot].adminUrl),
        this.#admin.ask(cell, addresses[slot].workerUrl),
      ]);
    };
    const [a, b] = await Promise.all([ask("a"), ask("b")]);
    return {
      liveSlot: liveSlotIn([...a, ...b]) ?? (await notes.liveSlot()),
      fenced: await notes.fenced(),
      claim: Math.max(await notes.claim(), claimIn([...a, ...b])),
      slots: { a: slotReport(taken.a, a), b: slotReport(taken.b, b) },
    };
  }

  /** Credentials first: whoever finds the folder among the retired ones can open nothing with it. */
  async retire(cell: CellId, claim?: number): Promise<void> {
    const { home, clock } = this.#options;
    const paths = cellPaths(home, cell);
    if ((await this.#notes(cell).record()) !== null) await admitClaim(home, cell, claim);
    await this.#removeProcesses(cell);
    const credentials = [paths.secrets, paths.key, redisConfiguration(paths.redis)];
    await Promise.all(credentials.map((path) => rm(path, { force: true })));
    await layToRest(home, cell, paths.folder, clock.now());
  }

  #notes(cell: CellId): CellNotes {
    return new CellNotes(cellPaths(this.#options.home, cell).notes);
  }

  async #record(cell: CellId): Promise<CellRecord> {
    const record = await this.#notes(cell).record();
    if (record === null) throw driverError("unknown-cell", `There is no cell ${cell} here.`);
    return record;
  }

  async #admitted(cell: CellId, claim: number | undefined): Promise<CellRecord> {
    const record = await this.#record(cell);
    await admitClaim(this.#options.home, cell, claim);
    return record;
  }

  async #database(cell: CellId, claim: number | undefined): Promise<CellDatabase> {
    await this.#admitted(cell, claim);
    return await findCellDatabase(this.#options.home, cell);
  }

  async #restoreMeans(): Promise<RestoreMeans> {
    return { supervisor: await this.#options.supervisor(), clock: this.#options.clock };
  }

  /**
   * The cell's credentials, made when missing. A database that is there without them belongs to a cell that was retired and put back: its roles get new
   * passwords before these are written down, so that a death between is mended by doing it again.
   */
  async #credentials(cell: CellId, postgres: PostgresServer, supervisor: Supervisor): Promise<CellSecrets> {
    const path = cellPaths(this.#options.home, cell).secrets;
    const known = await readCellSecrets(path);
    if (known !== null) return known;
    const made = makeCellSecrets();
    if (await exists(postgres.directory)) {
      await supervisor.remove(processNames(cell).postgres);
      await renewPasswords(postgres, databasePlan(made));
    }
    await writeCellSecrets(path, made);
    return made;
  }

  /** Keeps what the slots hold and what the cell may be rolled back to. */
  async #prune(cell: CellId): Promise<void> {
    const { home, clock } = this.#options;
    const paths = cellPaths(home, cell);
    const notes = this.#notes(cell);
    const { a, b } = await notes.slots();
    const kept = new Set([a, b].flatMap((release) => (release === null ? [] : [release.digest])));
    for (const digest of await notes.lived()) kept.add(digest);
    await pruneReleases(paths.releases, kept, clock.now());
    await pruneRuntimes(paths.runtimes, clock.now());
  }

  #facts(cell: CellId): Promise<CellFacts> {
    return readCellFacts(this.#options.home, cell);
  }

  /** What is in the slots runs with the facts as they are now: after the control plane moved to another port, for one. */
  async #putSlots(supervisor: Supervisor, cell: CellId): Promise<void> {
    const taken = await this.#notes(cell).slots();
    const facts = await this.#facts(cell);
    for (const slot of slots) {
      const release = taken[slot];
      if (release === null) continue;
      const manifest = await installedManifest(release, cellPaths(this.#options.home, cell).release(release.digest));
      for (const spec of releaseProcesses(facts, slot, release, manifest)) await supervisor.put(spec);
    }
  }

  async #processes(
    supervisor: Supervisor,
    cell: CellId,
  ): Promise<{ readonly front: string[]; readonly servers: string[] }> {
    const own = (await supervisor.list()).filter((process) => process.cell === cell);
    const isServer = (role: string): boolean => role === "postgres" || role === "redis";
    return {
      front: own.filter(({ role }) => !isServer(role)).map(({ name }) => name),
      servers: own.filter(({ role }) => isServer(role)).map(({ name }) => name),
    };
  }

  async #removeProcesses(cell: CellId): Promise<void> {
    const supervisor = await this.#options.supervisor();
    const { front, servers } = await this.#processes(supervisor, cell);
    await Promise.all(front.map((name) => supervisor.remove(name)));
    await Promise.all(servers.map((name) => supervisor.remove(name)));
  }

  async #awaitHealthy(supervisor: Supervisor, names: readonly string[], timeoutMs: number): Promise<void> {
    const held = new Set((await supervisor.list()).filter((process) => process.held).map(({ name }) => name));
    await Promise.all(names.filter((name) => !held.has(name)).map((name) => supervisor.waitHealthy(name, timeoutMs)));
  }

  async #refuseLive(cell: CellId, slot: Slot): Promise<void> {
    const { ports } = await this.#record(cell);
    const addresses = addressesOf(ports);
    const words = await Promise.all(
      slots.flatMap((one) => [
        this.#admin.ask(cell, addresses[one].adminUrl),
        this.#admin.ask(cell, addresses[one].workerUrl),
      ]),
    );
    const live = liveSlotIn(words);
    const maybe = live === undefined ? await this.#notes(cell).maybeLive() : new Set([live]);
    if (maybe.has(slot)) throw driverError("slot-live", `Slot ${slot} is the live one of ${cell}.`);
  }
}

function ballastIn(file: string): { file: string; bytes: number; freeBelowBytes: number } {
  return { file, bytes: disk.ballastMb * 1_048_576, freeBelowBytes: disk.ballastAtMb * 1_048_576 };
}
