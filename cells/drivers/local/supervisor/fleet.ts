import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../../../../common/clock.ts";
import type { ProcessSpec, ProcessStatus } from "../../../../common/contracts/supervisor.ts";
import type { Logger } from "../../../../common/log.ts";
import { driverError } from "../../errors.ts";
import { keepBallast } from "./ballast.ts";
import { MemoryKills } from "./endings.ts";
import { bootId, isAlive, sessionsWith, signal } from "./kernel.ts";
import { LivenessWatch } from "./liveness.ts";
import { removeForgottenLogs, rotateLogs } from "./logs.ts";
import { supervisorPaths } from "./paths.ts";
import { SupervisedProcess, type ProcessSurroundings } from "./process.ts";
import { purgeRetired } from "../retired.ts";
import { StateRecord, readDesired, readRecord, writeDesired, writeState } from "./records.ts";

/** How often the processes of an earlier supervisor are looked at; they cannot tell us that they died. */
const adoptedPollMs = 200;
const rotationMs = 1_000;
/** While a process floods its log: what it may write between two looks is what the bound is exceeded by. */
const floodRotationMs = 100;
/** How often free space is looked at; a disk fills in seconds at worst, and a ballast is given up long before a person could. */
const diskMs = 1_000;
const memoryKillsMs = 5_000;
/** What is kept for a while only: retired cells, logs of processes that are no more. */
const purgeMs = 600_000;
/** A process starts without its predecessors rather than never: it may well serve, and it is restarted if not. */
const predecessorTimeoutMs = 15_000;
const maxProcesses = 500;

/** In every process's environment, so that one whose pid was never written down is known as ours. */
const supervisedBy = "CELLPLANE_SUPERVISED_BY";

export interface FleetOptions {
  readonly home: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly environment: Readonly<Record<string, string>>;
  /** How long a process may leave its health check unanswered. */
  readonly silentMs: number;
}

/** All processes of a fleet home: what should run, what runs, and the way from one to the other. */
export class Fleet {
  readonly #processes = new Map<string, SupervisedProcess>();
  readonly #options: FleetOptions;
  readonly #paths: ReturnType<typeof supervisorPaths>;
  readonly #around: ProcessSurroundings;
  readonly #memoryKills = new MemoryKills();
  readonly #liveness: LivenessWatch;
  readonly #timers = new Set<NodeJS.Timeout>();
  #watchers: (() => void)[] = [];
  #writing: Promise<void> = Promise.resolve();
  #closing = false;
  #closed = false;

  constructor(options: FleetOptions) {
    const paths = supervisorPaths(options.home);
    this.#options = options;
    this.#paths = paths;
    this.#around = {
      clock: options.clock,
      log: options.log,
      logFile: paths.log,
      environment: { ...options.environment, NODE_COMPILE_CACHE: paths.compileCache, [supervisedBy]: options.home },
      predecessors: (spec) => this.#predecessors(spec),
      outOfMemory: () => this.#memoryKills.recently,
      changed: () => this.#changed(),
    };
    this.#liveness = new LivenessWatch({
      processes: () => [...this.#processes.values()],
      silentMs: options.silentMs,
      clock: options.clock,
      log: options.log,
    });
  }

  /** Reads what should run and what still runs, adopts the living, starts the missing, ends what nobody wants. */
  async begin(): Promise<void> {
    const { log } = this.#options;
    const { processes: desired, damage } = readDesired(this.#paths.desired);
    if (damage !== null) log.error({ event: "desired-state-damaged", err: damage });
    const state = this.#readState();
    const sameBoot = state?.boot === bootId();
    for (const { spec, held } of desired)
      this.#processes.set(spec.name, new SupervisedProcess(spec, held, this.#around));
    const known = new Set<number>();
    for (const entry of state?.processes ?? []) {
      const process = this.#processes.get(entry.status.name);
      if (process === undefined) continue;
      process.adopt(entry, sameBoot);
      if (process.status().pid !== null) known.add(process.status().pid ?? 0);
    }
    await this.#endUnknown(known);
    for (const process of this.#processes.values()) this.#inBackground(process.settle());
    this.#every(adoptedPollMs, () => this.#processes.forEach((process) => process.checkAlive()));
    this.#every(memoryKillsMs, () => this.#memoryKills.look());
    this.#again(async () => {
      const { isFlooding } = await rotateLogs(this.#paths.logs);
      return isFlooding ? floodRotationMs : rotationMs;
    });
    this.#again(async () => {
      for (const { spec } of this.#processes.values())
        if (spec.ballast !== undefined) await keepBallast(spec.ballast, log);
      return diskMs;
    });
    this.#again(async () => {
      await this.#purge();
      return purgeMs;
    });
    this.#liveness.start();
  }

  /** What ran. A record that a power cut tore names processes of before it; what is ours and lives all the same is found by its mark. */
  #readState(): StateRecord | null {
    try {
      return readRecord(this.#paths.state, StateRecord);
    } catch (error) {
      this.#options.log.error({ event: "state-damaged", err: error });
      return null;
    }
  }

  async #purge(): Promise<void> {
    const { home, clock, log } = this.#options;
    for (const cell of await purgeRetired(home, clock.now())) log.info({ event: "retired-cell-purged", cell });
    await removeForgottenLogs(this.#paths.logs, new Set(["supervisor", ...this.#processes.keys()]), clock.now());
  }

  list(): ProcessStatus[] {
    return [...this.#processes.values()].map((process) => process.status());
  }

  /** @throws unknown-process; so do the other methods that take a name. */
  get(name: string): SupervisedProcess {
    const process = this.#processes.get(name);
    if (process === undefined) throw driverError("unknown-process", `There is no process ${name}.`);
    return process;
  }

  /** Returns when the wish is on disk; the process follows it. */
  async put(spec: ProcessSpec): Promise<ProcessStatus> {
    this.#refuseWhenClosing();
    const known = this.#processes.get(spec.name);
    if (known === undefined && this.#processes.size >= maxProcesses) {
      throw driverError("supervisor-refused", `There are ${maxProcesses} processes already.`);
    }
    const process = known ?? new SupervisedProcess(spec, false, this.#around);
    this.#processes.set(spec.name, process);
    const settled = process.change(spec);
    this.#inBackground(settled);
    await this.#writeDesired();
    return process.status();
  }

  /** Returns when the process is down and forgotten. */
  async remove(name: string): Promise<void> {
    this.#refuseWhenClosing();
    const process = this.#processes.get(name);
    if (process === undefined) return;
    await process.stop();
    this.#processes.delete(name);
    await this.#writeDesired();
    this.#changed();
  }

  /** A person stops it: it stays down. Returns when it is. */
  async stop(name: string): Promise<ProcessStatus> {
    const process = this.get(name);
    const down = process.hold(true);
    await this.#writeDesired();
    await down;
    return process.status();
  }

  async start(name: string): Promise<ProcessStatus> {
    this.#refuseWhenClosing();
    const process = this.get(name);
    const settled = process.hold(false);
    this.#inBackground(settled);
    await this.#writeDesired();
    return process.status();
  }

  async restart(name: string): Promise<ProcessStatus> {
    this.#refuseWhenClosing();
    const process = this.get(name);
    await process.restart();
    return process.status();
  }

  /** Stops everything, each process after those that start after it. What should run stays written down for the next time. */
  async shutdown(): Promise<void> {
    this.#closing = true;
    const stops = new Map<string, Promise<void>>();
    const stopOf = (process: SupervisedProcess, path: readonly string[]): Promise<void> => {
      const { name } = process.spec;
      const begun = stops.get(name);
      if (begun !== undefined) return begun;
      // A name on the path means a circle in `after`: somebody has to be first.
      const dependents = [...this.#processes.values()].filter(
        ({ spec }) => spec.after.includes(name) && ![...path, name].includes(spec.name),
      );
      const stop = Promise.all(dependents.map((dependent) => stopOf(dependent, [...path, name]))).then(() =>
        process.stop(),
      );
      stops.set(name, stop);
      return stop;
    };
    const ended = await Promise.allSettled([...this.#processes.values()].map((process) => stopOf(process, [])));
    this.close();
    await this.#writing;
    for (const end of ended) if (end.status === "rejected") throw end.reason;
  }

  /** Ends the watching and leaves the processes as they are. */
  close(): void {
    this.#liveness.stop();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#closed = true;
  }

  #refuseWhenClosing(): void {
    if (this.#closing) throw driverError("supervisor-refused", "The supervisor is shutting down.");
  }

  /**
   * A pid is written down right after the process began; a supervisor killed between the two leaves a process that nobody knows.
   * It is ended before its name is started again.
   */
  async #endUnknown(known: ReadonlySet<number>): Promise<void> {
    const strangers = sessionsWith(supervisedBy, this.#options.home).filter(
      ({ pid }) => !known.has(pid) && pid !== process.pid,
    );
    for (const stranger of strangers) {
      this.#options.log.warn({ event: "unknown-process-ended", pid: stranger.pid });
      signal(-stranger.pid, "SIGKILL");
      while (isAlive(stranger)) await sleep(10);
    }
  }

  async #predecessors(spec: ProcessSpec): Promise<void> {
    const { clock, log } = this.#options;
    const deadline = clock.monotonic() + predecessorTimeoutMs;
    const missing = (): string[] =>
      spec.after.filter((name) => {
        const before = this.#processes.get(name);
        return before !== undefined && before.spec.desired === "running" && !before.held && before.state !== "running";
      });
    while (missing().length > 0) {
      const leftMs = deadline - clock.monotonic();
      if (leftMs <= 0) {
        log.warn({ event: "started-without", process: spec.name, missing: missing() });
        return;
      }
      const change = Promise.withResolvers<void>();
      this.#watchers.push(change.resolve);
      await Promise.race([change.promise, sleep(leftMs, undefined, { ref: false })]);
    }
  }

  #changed(): void {
    const processes = [...this.#processes.values()].map((process) => process.entry());
    try {
      writeState(this.#paths.state, { version: 1, boot: bootId(), processes });
    } catch (error) {
      // A full disk must not take the supervisor down with it; a process that is not written down still bears our mark.
      this.#options.log.error({ event: "state-not-written", err: error });
    }
    const watchers = this.#watchers;
    this.#watchers = [];
    for (const wake of watchers) wake();
  }

  /** One write at a time, each with what is wished at its beginning. */
  #writeDesired(): Promise<void> {
    const write = this.#writing
      .catch(() => undefined)
      .then(() => {
        const processes = [...this.#processes.values()].map(({ spec, held }) => ({ spec, held }));
        return writeDesired(this.#paths.desired, { version: 1, processes });
      });
    this.#writing = write;
    return write;
  }

  #every(periodMs: number, action: () => void): void {
    this.#timers.add(setInterval(action, periodMs));
  }

  /** Runs an action again and again, never twice at once; it says after how many milliseconds it wants to be run next. */
  #again(action: () => Promise<number>, pauseMs = 0): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action()
        .catch((error: unknown) => {
          this.#options.log.error({ event: "upkeep-failed", err: error });
          return purgeMs / 60;
        })
        .then((next) => (this.#closed ? undefined : this.#again(action, next)))
        .catch((error: unknown) => this.#options.log.error({ event: "upkeep-failed", err: error }));
    }, pauseMs);
    this.#timers.add(timer);
  }

  /** For what nobody waits for: its failure is logged, and the process's state shows it. */
  #inBackground(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.#options.log.error({ event: "not-settled", err: error }));
  }
}
