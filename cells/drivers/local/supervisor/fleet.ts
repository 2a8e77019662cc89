import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../../../../common/clock.ts";
import type { ProcessSpec, ProcessStatus } from "../../../../common/contracts/supervisor.ts";
import type { Logger } from "../../../../common/log.ts";
import { driverError } from "../../errors.ts";
import { bootId, isAlive, sessionsWith, signal } from "./kernel.ts";
import { rotateLogs } from "./logs.ts";
import { supervisorPaths } from "./paths.ts";
import { SupervisedProcess, type ProcessSurroundings } from "./process.ts";
import { DesiredRecord, StateRecord, readRecord, writeDesired, writeState } from "./records.ts";

/** How often the processes of an earlier supervisor are looked at; they cannot tell us that they died. */
const adoptedPollMs = 200;
const rotationMs = 5_000;
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
}

/** All processes of a fleet home: what should run, what runs, and the way from one to the other. */
export class Fleet {
  readonly #processes = new Map<string, SupervisedProcess>();
  readonly #options: FleetOptions;
  readonly #paths: ReturnType<typeof supervisorPaths>;
  readonly #around: ProcessSurroundings;
  readonly #timers: NodeJS.Timeout[] = [];
  #watchers: (() => void)[] = [];
  #writing: Promise<void> = Promise.resolve();
  #closing = false;

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
      changed: () => this.#changed(),
    };
  }

  /** Reads what should run and what still runs, adopts the living, starts the missing, ends what nobody wants. */
  async begin(): Promise<void> {
    const desired = readRecord(this.#paths.desired, DesiredRecord)?.processes ?? [];
    const state = readRecord(this.#paths.state, StateRecord);
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
    this.#every(rotationMs, () => this.#inBackground(rotateLogs(this.#paths.logs)));
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
    for (const timer of this.#timers) clearInterval(timer);
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
    this.#timers.push(setInterval(action, periodMs));
  }

  /** For what nobody waits for: its failure is logged, and the process's state shows it. */
  #inBackground(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.#options.log.error({ event: "not-settled", err: error }));
  }
}
