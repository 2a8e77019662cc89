import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import process from "node:process";

/** A process that is killed and started again; what it writes goes to one file, life after life. */
export class Victim {
  readonly name: string;
  readonly #start: { readonly command: string; readonly args: readonly string[]; readonly env: NodeJS.ProcessEnv };
  readonly #logFile: string;
  #child: ChildProcess | null = null;
  readonly #endNow = (): void => void this.#child?.kill("SIGKILL");

  constructor(name: string, command: string, args: readonly string[], logFile: string, env: NodeJS.ProcessEnv = {}) {
    this.name = name;
    this.#start = { command, args, env: { ...process.env, ...env } };
    this.#logFile = logFile;
    process.on("exit", this.#endNow);
  }

  async start(): Promise<void> {
    const log = openSync(this.#logFile, "a");
    const { command, args, env } = this.#start;
    this.#child = spawn(command, args, { env, stdio: ["ignore", log, log] });
    closeSync(log);
    await once(this.#child, "spawn");
  }

  /** `kill -9`; returns when it is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }

  async end(): Promise<void> {
    await this.kill();
    process.removeListener("exit", this.#endNow);
  }
}
