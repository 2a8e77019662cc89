import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../../../common/clock.ts";
import type { CellPorts } from "../../../common/contracts/home.ts";
import { slots, type Slot } from "../../../common/contracts/lease.ts";
import type { CellId } from "../../../common/ids.ts";
import { ensureSigningKey } from "../../../common/keys.ts";
import type {
  CellAddresses,
  CellDriver,
  CellPlan,
  CellReport,
  ReleaseRef,
  ReleaseSource,
  SlotReport,
} from "../driver.ts";
import { driverError } from "../errors.ts";
import { ensureArchive } from "./backup/archive.ts";
import type { PostgresBinaries } from "./binaries.ts";
import { CellAdmin, type ProcessWord } from "./cell-admin.ts";
import { addressesOf, cellPaths, processNames } from "./cell-layout.ts";
import { CellNotes, type CellRecord } from "./cell-notes.ts";
import { ensureCellSecrets, readCellSecrets } from "./cell-secrets.ts";
import type { DatabaseUser } from "./database-user.ts";
import { runOnce } from "./one-shot.ts";
import { postgresProcess, preparePostgres } from "./postgres.ts";
import { prepareRedis, redisProcess } from "./redis.ts";
import { installFiles, installedManifest } from "./release-files.ts";
import { migrationEnvironment, releaseProcesses, type CellFacts } from "./release-processes.ts";
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
}

/** A database that was killed replays its log first. */
const serverStartMs = 60_000;
const releaseStartMs = 30_000;
const migrationMs = 300_000;
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

  async provision(plan: CellPlan): Promise<CellAddresses> {
    const { home, fleet, logLevel } = this.#options;
    const paths = cellPaths(home, plan.id);
    if (await this.#notes(plan.id).fenced()) throw driverError("cell-fenced", `${plan.id} is fenced.`);
    await mkdir(paths.folder, { recursive: true, mode: 0o700 });
    ensureSigningKey(paths.key);
    const [programs, secrets, supervisor] = await Promise.all([
      this.#options.programs(),
      ensureCellSecrets(paths.secrets),
      this.#options.supervisor(),
    ]);
    const ports = this.#options.ports(plan.id);
    const archive = await ensureArchive({
      home,
      cell: plan.id,
      user: programs.user,
      at: new Date(this.#options.clock.now()),
    });
    const postgres = { binaries: programs.postgres, user: programs.user, directory: paths.data, archive };
    const redis = { program: programs.redis, user: programs.user, directory: paths.redis };
    const roles = (["owner", "app", "system"] as const).map((role) => ({
      name: `cell_${role}`,
      password: secrets[role],
    }));
    const databases = [{ name: "cell", owner: "cell_owner", guests: ["cell_app", "cell_system"] }];
    await Promise.all([
      preparePostgres(postgres, { superuserPassword: secrets.superuser, roles, databases }),
      prepareRedis(redis, secrets.redis),
    ]);
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
    await supervisor.put(postgresProcess(postgres, { name: names.postgres, cell: plan.id, port: ports.postgres }));
    await supervisor.put(redisProcess(redis, { name: names.redis, cell: plan.id, port: ports.redis }));
    await this.#putSlots(supervisor, plan.id);
    await this.#awaitHealthy(supervisor, [names.postgres, names.redis], serverStartMs);
    return addressesOf(ports);
  }

  async installRelease(cell: CellId, release: ReleaseRef): Promise<void> {
    await this.#record(cell);
    const paths = cellPaths(this.#options.home, cell);
    await installFiles(release, this.#options.releases, {
      target: paths.release(release.digest),
      runtimes: paths.runtimes,
    });
  }

  async migrate(cell: CellId, release: ReleaseRef): Promise<void> {
    const facts = await this.#facts(cell);
    const folder = cellPaths(this.#options.home, cell).release(release.digest);
    await installedManifest(release, folder);
    // A database on its way back is no reason to call the migration failed.
    await (await this.#options.supervisor()).waitHealthy(processNames(cell).postgres, serverStartMs);
    const end = await runOnce({
      command: join(folder, "node"),
      args: [join(folder, "migrate.mjs")],
      cwd: folder,
      env: migrationEnvironment(facts, release, await this.#notes(cell).liveSlot()),
      timeoutMs: migrationMs,
    });
    if (end.code !== 0)
      throw driverError("migration-failed", `${release.name} in ${cell} (${end.code}): ${end.complaint}`);
  }

  async startRelease(cell: CellId, slot: Slot, release: ReleaseRef): Promise<void> {
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

  async switchSlot(cell: CellId, from: Slot, to: Slot): Promise<void> {
    const { ports } = await this.#record(cell);
    const notes = this.#notes(cell);
    if ((await notes.slots())[to] === null) throw driverError("slot-empty", `Nothing is in slot ${to} of ${cell}.`);
    await this.#admin.switchSlot(cell, addressesOf(ports)[to].adminUrl, from, to);
    await notes.writeLiveSlot(to);
  }

  async drain(cell: CellId, slot: Slot): Promise<void> {
    const { clock } = this.#options;
    const { ports } = await this.#record(cell);
    await this.#refuseLive(cell, slot);
    const { adminUrl, workerUrl } = addressesOf(ports)[slot];
    const begun = clock.monotonic();
    for (;;) {
      const words = await Promise.all([this.#admin.ask(cell, adminUrl), this.#admin.ask(cell, workerUrl)]);
      const loads = words.flatMap((word) => (word.kind === "status" ? [word.status] : []));
      const busy = loads.some(({ inFlight }) => inFlight > 0);
      const connected = loads.some(({ connections }) => connections > 0);
      const elapsedMs = clock.monotonic() - begun;
      if (elapsedMs > drainMs || (!busy && (!connected || elapsedMs > idleConnectionsMs))) return;
      await sleep(drainPollMs);
    }
  }

  async stopRelease(cell: CellId, slot: Slot): Promise<void> {
    await this.#record(cell);
    const notes = this.#notes(cell);
    if ((await notes.slots())[slot] !== null) await this.#refuseLive(cell, slot);
    const supervisor = await this.#options.supervisor();
    const names = processNames(cell);
    await Promise.all([supervisor.remove(names.api(slot)), supervisor.remove(names.worker(slot))]);
    await notes.writeSlot(slot, null);
  }

  async stop(cell: CellId): Promise<void> {
    await this.#record(cell);
    const supervisor = await this.#options.supervisor();
    const { front, servers } = await this.#processes(supervisor, cell);
    await Promise.all(front.map((name) => supervisor.stop(name)));
    await Promise.all(servers.map((name) => supervisor.stop(name)));
  }

  async start(cell: CellId): Promise<void> {
    await this.#record(cell);
    if (await this.#notes(cell).fenced()) throw driverError("cell-fenced", `${cell} is fenced.`);
    const supervisor = await this.#options.supervisor();
    const { front, servers } = await this.#processes(supervisor, cell);
    const all = [...servers, ...front];
    await Promise.all(all.map((name) => supervisor.start(name)));
    await this.#awaitHealthy(supervisor, all, serverStartMs);
  }

  /** The note first, so that nobody starts the cell again between; then the supervisor forgets it, so that nobody can by its name. */
  async fence(cell: CellId): Promise<void> {
    await this.#record(cell);
    const notes = this.#notes(cell);
    if (!(await notes.fenced())) await notes.writeFence(new Date(this.#options.clock.now()));
    await this.#removeProcesses(cell);
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
      slots: { a: slotReport(taken.a, a), b: slotReport(taken.b, b) },
    };
  }

  async retire(cell: CellId): Promise<void> {
    await this.#removeProcesses(cell);
    const paths = cellPaths(this.#options.home, cell);
    await Promise.all([
      rm(paths.secrets, { force: true }),
      rm(paths.key, { force: true }),
      rm(paths.folder, { recursive: true, force: true }),
    ]);
  }

  #notes(cell: CellId): CellNotes {
    return new CellNotes(cellPaths(this.#options.home, cell).notes);
  }

  async #record(cell: CellId): Promise<CellRecord> {
    const record = await this.#notes(cell).record();
    if (record === null) throw driverError("unknown-cell", `There is no cell ${cell} here.`);
    return record;
  }

  async #facts(cell: CellId): Promise<CellFacts> {
    const record = await this.#record(cell);
    const secrets = await readCellSecrets(cellPaths(this.#options.home, cell).secrets);
    if (secrets === null) throw driverError("unknown-cell", `The credentials of ${cell} are gone.`);
    return {
      home: this.#options.home,
      plan: { id: record.id, region: record.region },
      ports: record.ports,
      secrets,
      fleet: record.fleet,
      logLevel: record.logLevel,
    };
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
    if ((await this.status(cell)).liveSlot === slot)
      throw driverError("slot-live", `Slot ${slot} is the live one of ${cell}.`);
  }
}

function liveSlotIn(words: readonly ProcessWord[]): Slot | undefined {
  for (const word of words) if (word.kind === "status" && word.status.incarnation !== "") return word.status.liveSlot;
  return undefined;
}

/** API and worker are ready together or not at all. */
function slotReport(release: ReleaseRef | null, words: readonly ProcessWord[]): SlotReport {
  if (release === null) return { release: null, digest: null, ready: false, problems: [] };
  const problems = words.flatMap((word, index) =>
    problemsOf(word).map((problem) => (index === 0 ? problem : `worker: ${problem}`)),
  );
  const [api] = words;
  const status = api?.kind === "status" ? api.status : null;
  return {
    release: status?.release ?? release.name,
    digest: status?.digest ?? null,
    ready: problems.length === 0,
    problems,
  };
}

function problemsOf(word: ProcessWord): readonly string[] {
  switch (word.kind) {
    case "status":
      return word.status.ready ? [] : word.status.problems;
    case "readiness":
      return word.ready ? [] : word.problems;
    case "silent":
      return ["it does not answer"];
    default:
      return word satisfies never;
  }
}
