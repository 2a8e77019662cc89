import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { pinned, cores } from "../runner/pin.ts";

/** Clock ticks a second in /proc (sysconf(_SC_CLK_TCK)): 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;
const readyWithinMs = 60_000;

/** A proxy under test: one process on the subject's core, with its port. */
export class Contender {
  readonly port: number;
  readonly #child: ChildProcess;

  constructor(
    port: number,
    command: string,
    args: readonly string[],
    options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
  ) {
    this.port = port;
    const [program, all] = pinned(cores.subject, command, args);
    this.#child = spawn(program, all, { stdio: ["ignore", "ignore", "inherit"], ...options });
  }

  /** Waits until it answers at all. */
  async ready(): Promise<void> {
    const end = performance.now() + readyWithinMs;
    for (;;) {
      try {
        await fetch(`http://127.0.0.1:${this.port}/`, { signal: AbortSignal.timeout(1_000) });
        return;
      } catch (cause) {
        if (performance.now() > end) throw new Error(`nothing answers at port ${this.port}`, { cause });
        await sleep(50);
      }
    }
  }

  /**
   * Seconds of CPU that it has used, its children's included: what one core gives it is what it can do. Other than the time on the clock, it does
   * not depend on how fast the generator is.
   */
  cpuSeconds(): number {
    return [this.#child.pid ?? 0, ...this.#children()].reduce((sum, pid) => sum + ticksOf(pid), 0) / ticksPerSecond;
  }

  async stop(): Promise<void> {
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await gone;
  }

  #children(): number[] {
    const { pid } = this.#child;
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    return text === "" ? [] : text.split(" ").map(Number);
  }
}

/** User and system time of a process (proc_pid_stat(5), fields 14 and 15). */
function ticksOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}
