import { basename, join } from "node:path";
import { closeSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { digestOf } from "../../../../common/canonical.ts";
import type { Clock } from "../../../../common/clock.ts";
import type { ProcessSpec, ProcessState, ProcessStatus } from "../../../../common/contracts/supervisor.ts";
import type { Logger } from "../../../../common/log.ts";
import { describeEnd } from "./endings.ts";
import { isHealthy, pulseOf } from "./health.ts";
import { identify, isAlive, leftovers, signal, type ProcessIdentity } from "./kernel.ts";
import { launch } from "./launch.ts";
import type { Silence, Watched } from "./liveness.ts";
import { openLog } from "./logs.ts";
import type { StateEntry } from "./records.ts";

// A supervised process.
//   waiting   should run, what it starts after is not up yet   → starting, stopped
//   starting  runs, not healthy yet                            → running, backoff (it died), stopping
//   running   was healthy once since it started                → backoff (it died), stopping; silent for too long: stopping, waiting
//   backoff   died; starts again when the delay is over        → starting, stopped
//   stopping  signalled; SIGKILL to its group at the deadline  → stopped
//   stopped   nothing of it runs                               → waiting, starting
// Commands (start, stop, change) run one after another; a death may come at any moment between.

const firstDelayMs = 200;
const longestDelayMs = 10_000;
/** A process that stayed up this long after it was healthy begins again with the shortest delay. */
const forgivenAfterMs = 30_000;
const firstHealthCheckMs = 30;
const longestHealthCheckMs = 1_000;
/** How long SIGKILL may take; longer and the process hangs in the kernel, which only a restart of the machine ends. */
const killTimeoutMs = 5_000;
const deathPollMs = 20;
/** One that answers nobody will hardly finish its work; the rest of its grace would only be spent waiting. */
const silentGraceMs = 5_000;

export interface ProcessSurroundings {
  readonly clock: Clock;
  readonly log: Logger;
  /** Path of a process's log file. */
  readonly logFile: (name: string) => string;
  readonly environment: Readonly<Record<string, string>>;
  /** Resolves when everything that the process starts after is up, or need not be waited for. */
  readonly predecessors: (spec: ProcessSpec) => Promise<void>;
  /** Whether the kernel killed something for want of memory in the last seconds. */
  readonly outOfMemory: () => boolean;
  /** Called at every change; what is to be written down can be read from `entry()`. */
  readonly changed: () => void;
}

export class SupervisedProcess implements Watched {
  #spec: ProcessSpec;
  #held: boolean;
  #state: ProcessState = "stopped";
  #since: string;
  #restarts = 0;
  #lastExit: string | null = null;
  #alive: ProcessIdentity | null = null;
  /** The last life, for what it may have left. */
  #last: ProcessIdentity | null = null;
  /** Whether it was started by an earlier supervisor: then its death must be looked for. */
  #adopted = false;
  #startedWith = "";
  #delayMs = firstDelayMs;
  #healthySince: number | null = null;
  #silence: Silence | null = null;
  #silentFrom = "";
  /** Why it is being ended, where its silence is the reason. */
  #endedFor: string | null = null;
  #timer: NodeJS.Timeout | undefined;
  /** Rises with every start and stop, so that what was begun for an earlier life ends itself. */
  #life = 0;
  #turn: Promise<void> = Promise.resolve();
  readonly #around: ProcessSurroundings;

  constructor(spec: ProcessSpec, held: boolean, around: ProcessSurroundings) {
    this.#spec = spec;
    this.#held = held;
    this.#around = around;
    this.#since = new Date(around.clock.now()).toISOString();
  }

  get spec(): ProcessSpec {
    return this.#spec;
  }

  get held(): boolean {
    return this.#held;
  }

  get state(): ProcessState {
    return this.#state;
  }

  get #shouldRun(): boolean {
    return this.#spec.desired === "running" && !this.#held;
  }

  status(): ProcessStatus {
    const { name, role, cell, release, port, url } = this.#spec;
    const pid = this.#alive?.pid ?? null;
    return {
      name,
      role,
      cell,
      release,
      pid,
      port,
      url,
      state: this.#state,
      held: this.#held,
      restarts: this.#restarts,
      since: this.#since,
      lastExit: this.#lastExit,
      problem: this.#silence === null ? null : `no answer to its health check since ${this.#silentFrom}`,
    };
  }

  get silence(): Silence | null {
    return this.#silence;
  }

  async listen(): Promise<void> {
    const life = this.#life;
    if (this.#state !== "running" && this.#state !== "starting") return;
    const since = this.#around.clock.monotonic();
    const pulse = await pulseOf(this.#spec.health);
    if (life !== this.#life) return;
    const before = this.#silence;
    if (pulse !== "silent") this.#silence = null;
    else {
      const everAnswered = this.#healthySince !== null;
      const { rounds = 0, tries = 0 } = before ?? {};
      this.#silence = { since: before?.since ?? since, rounds: rounds + 1, everAnswered, tries };
    }
    if ((before === null) === (this.#silence === null)) return;
    this.#silentFrom = new Date(this.#around.clock.now()).toISOString();
    this.#around.changed();
  }

  /**
   * PostgreSQL is only asked to end, by its own signals: fast shutdown, then, still silent, the immediate one, which keeps backends and data
   * directory together. If it hears neither, nobody but a person kills it: it may be working off a log that a new start would begin again.
   */
  async breakSilence(silentForMs: number): Promise<void> {
    const why = `no answer to its health check for ${Math.round(silentForMs / 1000)} s`;
    const identity = this.#alive;
    if (identity === null || this.#silence === null) return;
    if (this.#spec.health.kind === "postgres") {
      signal(identity.pid, this.#silence.tries === 0 ? "SIGINT" : "SIGQUIT");
      this.#silence = { ...this.#silence, tries: this.#silence.tries + 1 };
      this.#endedFor = why;
      return;
    }
    const life = this.#life;
    await this.#inTurn(async () => {
      if (life !== this.#life) return;
      this.#endedFor = why;
      await this.#bringDown(Math.min(this.#spec.graceMs, silentGraceMs));
      this.#restarts++;
      if (this.#shouldRun) this.#bringUp();
    });
  }

  entry(): StateEntry {
    return { startTime: this.#alive?.startTime ?? null, spec: this.#startedWith, status: this.status() };
  }

  /** Takes over what an earlier supervisor left of this process, then lets it be as it should. */
  adopt(left: StateEntry, sameBoot: boolean): void {
    this.#restarts = left.status.restarts;
    this.#lastExit = left.status.lastExit;
    const { pid } = left.status;
    if (!sameBoot || pid === null || left.startTime === null) return;
    const identity = { pid, startTime: left.startTime };
    this.#last = identity;
    if (!isAlive(identity)) {
      this.#end(this.#wordsOf("gone"));
      this.#restarts++;
      return;
    }
    this.#alive = identity;
    this.#adopted = true;
    this.#startedWith = left.spec;
    this.#around.log.info({ event: "adopted", process: this.#spec.name, pid });
    this.#enter("starting");
    void this.#watchHealth(++this.#life);
  }

  /** Makes the process what its spec and its hold ask for. */
  settle(): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#shouldRun) return this.#bringDown();
      const begun = this.#state !== "stopped" && this.#state !== "waiting";
      if (begun && this.#startedWith !== startDigest(this.#spec)) await this.#bringDown();
      if (this.#state === "stopped") this.#bringUp();
    });
  }

  /** Takes a new spec: the same one changes nothing, another one restarts the process. */
  change(spec: ProcessSpec): Promise<void> {
    if (digestOf(spec) !== digestOf(this.#spec)) {
      this.#spec = spec;
      this.#restarts = 0;
      this.#delayMs = firstDelayMs;
    }
    return this.settle();
  }

  /** A person's word: held down until the same word lets it go. */
  async hold(held: boolean): Promise<void> {
    this.#held = held;
    if (!held) {
      this.#spec = { ...this.#spec, desired: "running" };
      // Who asks for a start does not want to wait for the rest of a delay.
      await this.#inTurn(async () => (this.#state === "backoff" ? this.#bringDown() : undefined));
    }
    return this.settle();
  }

  restart(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#bringDown();
      this.#delayMs = firstDelayMs;
      if (this.#shouldRun) this.#bringUp();
    });
  }

  /** Stops it without a word about what should be: at a shutdown, or before it is forgotten. */
  stop(): Promise<void> {
    return this.#inTurn(() => this.#bringDown());
  }

  /** For processes that are no children of ours and die without telling: looks whether it still lives. */
  checkAlive(): void {
    if (this.#adopted && this.#alive !== null && !isAlive(this.#alive)) this.#died(this.#life, "gone");
  }

  #inTurn(command: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(command);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  /** Returns at once: a stop must not have to wait for what a start waits for. */
  #bringUp(): void {
    const life = ++this.#life;
    this.#enter("waiting");
    void this.#around.predecessors(this.#spec).then(() => (life === this.#life ? this.#launch() : undefined));
  }

  async #launch(): Promise<void> {
    const life = ++this.#life;
    try {
      await this.#sweep();
      if (life === this.#life) this.#spawn(life);
    } catch (error) {
      if (life !== this.#life) return;
      this.#around.log.error({ event: "not-started", process: this.#spec.name, err: error });
      this.#died(life, `not started: ${(error as Error).message}`);
    }
  }

  #spawn(life: number): void {
    const { log, logFile, environment } = this.#around;
    const spec = this.#spec;
    this.#startedWith = startDigest(spec);
    for (const file of spec.staleFiles) rmSync(join(spec.cwd, file), { force: true });
    const descriptor = openLog(logFile(spec.name));
    const child = launch(spec, { log: descriptor, environment });
    closeSync(descriptor);
    child.once("error", (error) => this.#died(life, `not started: ${error.message}`));
    child.once("exit", (code, signalName) => this.#died(life, signalName ?? `exit ${code}`));
    child.unref();
    if (child.pid === undefined) return;
    // A process that is gone already has no start time; its exit is told in a moment.
    this.#alive = identify(child.pid) ?? { pid: child.pid, startTime: "0" };
    this.#adopted = false;
    this.#last = this.#alive;
    this.#enter("starting");
    log.info({ event: "started", process: spec.name, pid: child.pid });
    void this.#watchHealth(life);
  }

  async #watchHealth(life: number): Promise<void> {
    let pauseMs = firstHealthCheckMs;
    while (life === this.#life && this.#state === "starting") {
      const healthy = await isHealthy(this.#spec.health);
      if (life !== this.#life || this.#state !== "starting") return;
      if (healthy) {
        this.#healthySince = this.#around.clock.monotonic();
        this.#enter("running");
        return;
      }
      await sleep(pauseMs, undefined, { ref: false });
      pauseMs = Math.min(pauseMs * 1.3, longestHealthCheckMs);
    }
  }

  #died(life: number, how: string): void {
    if (life !== this.#life) return;
    const { clock, log } = this.#around;
    this.#alive = null;
    if (this.#state === "stopping") return;
    this.#end(this.#wordsOf(how));
    if (this.#healthySince !== null && clock.monotonic() - this.#healthySince >= forgivenAfterMs)
      this.#delayMs = firstDelayMs;
    this.#healthySince = null;
    const delayMs = this.#delayMs;
    this.#delayMs = Math.min(delayMs * 2, longestDelayMs);
    this.#restarts++;
    log.warn({ event: "died", process: this.#spec.name, how: this.#lastExit, againInMs: delayMs });
    this.#enter("backoff");
    this.#timer = setTimeout(() => void this.#launch(), delayMs);
  }

  #wordsOf(how: string): string {
    return describeEnd(how, this.#around.logFile(this.#spec.name), this.#around.outOfMemory());
  }

  /** Notes how a life ended, and forgets what was remembered about it. */
  #end(how: string): void {
    this.#lastExit = (this.#endedFor === null ? how : `${how} (${this.#endedFor})`).slice(0, 200);
    this.#endedFor = null;
    this.#silence = null;
  }

  async #bringDown(graceMs = this.#spec.graceMs): Promise<void> {
    clearTimeout(this.#timer);
    this.#healthySince = null;
    const identity = this.#alive;
    if (identity === null) {
      this.#life++;
      if (this.#state !== "stopped") this.#enter("stopped");
      return;
    }
    this.#enter("stopping");
    let how: NodeJS.Signals = this.#spec.stopSignal;
    signal(identity.pid, this.#spec.stopSignal);
    if (!(await this.#goneWithin(identity, graceMs))) {
      this.#around.log.warn({
        event: "killed",
        process: this.#spec.name,
        pid: identity.pid,
        graceMs,
      });
      how = "SIGKILL";
      signal(-identity.pid, "SIGKILL");
      if (!(await this.#goneWithin(identity, killTimeoutMs)))
        throw new Error(`${this.#spec.name} (${identity.pid}) survives SIGKILL`);
    }
    await this.#sweep();
    this.#life++;
    this.#alive = null;
    this.#end(how);
    this.#around.log.info({ event: "stopped", process: this.#spec.name, pid: identity.pid });
    this.#enter("stopped");
  }

  async #goneWithin(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
    const { clock } = this.#around;
    const deadline = clock.monotonic() + timeoutMs;
    while (isAlive(identity)) {
      if (clock.monotonic() > deadline) return false;
      await sleep(deathPollMs);
    }
    return true;
  }

  /** Kills what outlived the last life, so that two lives never share a data directory or a port. */
  async #sweep(): Promise<void> {
    const { clock, log } = this.#around;
    const deadline = clock.monotonic() + killTimeoutMs;
    for (;;) {
      const found = leftovers(this.#last, this.#spec.mark, basename(this.#spec.command));
      if (found.length === 0) return;
      log.warn({ event: "leftovers-killed", process: this.#spec.name, pids: found });
      for (const pid of found) signal(pid, "SIGKILL");
      if (clock.monotonic() > deadline)
        throw new Error(`leftovers of ${this.#spec.name} survive SIGKILL: ${found.join(", ")}`);
      await sleep(deathPollMs);
    }
  }

  #enter(state: ProcessState): void {
    this.#state = state;
    this.#since = new Date(this.#around.clock.now()).toISOString();
    this.#around.changed();
  }
}

/** Names all of a spec that a running process was started with; whether it should run is not part of it, nor what it starts after. */
function startDigest(spec: ProcessSpec): string {
  const { desired: _d, after: _a, graceMs: _g, stopSignal: _s, ballast: _b, ...started } = spec;
  return digestOf(started);
}
