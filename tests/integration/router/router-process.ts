import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Bed } from "./bed.ts";
import { ask, until } from "./client.ts";

/** The router as a process of its own, as a fleet runs it. */
export class RouterProcess {
  readonly #bed: Bed;
  readonly port: number;
  readonly adminPort: number;
  log = "";
  child!: ChildProcess;

  constructor(bed: Bed, port: number, adminPort: number) {
    this.#bed = bed;
    this.port = port;
    this.adminPort = adminPort;
  }

  async start(settings: Record<string, string> = {}): Promise<void> {
    this.launch(settings);
    await until(() => this.ready(), "the router is ready", 60_000);
  }

  /** Starts the process, whatever becomes of it. */
  launch(settings: Record<string, string> = {}): void {
    const environment = {
      ...this.#bed.settings(),
      PORT: String(this.port),
      ADMIN_PORT: String(this.adminPort),
      ...settings,
    };
    this.child = spawn(process.execPath, ["router/main.ts"], {
      env: environment,
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.child.stdout?.on("data", (chunk: Buffer) => {
      this.log += chunk.toString();
    });
  }

  async ready(): Promise<boolean> {
    try {
      return (await ask(this.adminPort, { path: "/readyz" })).status === 200;
    } catch {
      // Refused: it has not begun to listen.
      return false;
    }
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode;
    const exit = once(this.child, "exit");
    this.child.kill(signal);
    return ((await exit) as [number | null])[0];
  }
}
