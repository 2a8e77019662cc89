import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { root } from "../../scripts/lib/bootstrap.mjs";

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, its output collected. */
export function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? -1, stdout, stderr }));
  });
}

/** A process as `cellplane status --json` lists it. */
export interface StatusProcess {
  readonly role: "api" | "worker" | "postgres" | "redis";
  readonly release: string | null;
  readonly pid: number;
  readonly port: number | null;
}

/** What `cellplane status --json` answers. */
export interface Status {
  readonly supervisor: { readonly pid: number | null };
  readonly router: { readonly url: string | null; readonly pid: number | null };
  readonly controlPlane: { readonly url: string | null; readonly pid: number | null };
  readonly dashboard: { readonly url: string | null };
  readonly aggregator: { readonly url: string | null; readonly pid: number | null };
  readonly temporal: { readonly address: string | null; readonly ui: string | null; readonly pid: number | null };
  readonly worker: { readonly pid: number | null };
  readonly cells: readonly {
    readonly id: string;
    readonly region: string;
    readonly release: string | null;
    readonly state: string;
    readonly tenants: number | null;
    readonly processes: readonly StatusProcess[];
  }[];
}

/** A demo tenant, as `cellplane demo --json` lists it. */
export interface DemoTenant {
  readonly slug: string;
  readonly host: string;
  readonly key: string;
  readonly tier: string;
  readonly cell: string;
}

/** A real fleet, brought up as a user brings it up, in a home of its own. */
export class TestFleet {
  readonly home: string;
  readonly #env: NodeJS.ProcessEnv;

  private constructor(home: string, env: NodeJS.ProcessEnv) {
    this.home = home;
    this.#env = env;
  }

  /** `npm start -- --home <new folder> --detach --json <args>`; fails the test, with the logs' ends, when that fails. */
  static async start(args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<TestFleet> {
    const home = join(mkdtempSync(join(tmpdir(), "cellplane-home-")), "fleet");
    const fleet = new TestFleet(home, { ...process.env, ...env, CELLPLANE_HOME: home });
    await fleet.up(args);
    return fleet;
  }

  /** Brings it up (again); what runs is adopted. */
  async up(args: readonly string[] = []): Promise<Finished> {
    const done = await run(
      "node",
      ["scripts/start.mjs", "--home", this.home, "--detach", "--json", ...args],
      this.#env,
    );
    assert.equal(
      done.code,
      0,
      `npm start ended with ${done.code}:\n${done.stderr.slice(-6000)}\n${done.stdout.slice(-2000)}`,
    );
    return done;
  }

  /** The command line. */
  cli(...args: readonly string[]): Promise<Finished> {
    return run("node", ["cli/cellplane.mjs", ...args], this.#env);
  }

  /** The command line with `--json`; its one document. Fails the test when the exit code is not the expected one. */
  async json<Document = Record<string, unknown>>(args: readonly string[], expectedCode = 0): Promise<Document> {
    const done = await this.cli(...args, "--json");
    assert.equal(
      done.code,
      expectedCode,
      `cellplane ${args.join(" ")} ended with ${done.code}:\n${done.stdout}\n${done.stderr}`,
    );
    return JSON.parse(done.stdout) as Document;
  }

  status(): Promise<Status> {
    return this.json<Status>(["status"]);
  }

  async demo(): Promise<readonly DemoTenant[]> {
    return (await this.json<{ tenants: DemoTenant[] }>(["demo"])).tenants;
  }

  async routerPort(): Promise<number> {
    const { router } = await this.status();
    assert.ok(router.url !== null, "the router has an address");
    return Number(new URL(router.url).port);
  }

  /** The end of a process's log, for a failure's message. */
  log(name: string, bytes = 4000): string {
    return readFileSync(join(this.home, "logs", `${name}.log`), "utf8").slice(-bytes);
  }

  /** Stops everything and removes the home. */
  async remove(): Promise<void> {
    const stopped = await this.cli("stop");
    assert.equal(stopped.code, 0, `cellplane stop: ${stopped.stderr}`);
    rmSync(join(this.home, ".."), { recursive: true, force: true });
  }
}

/** Asks again until `probe` answers something else than null. */
export async function eventually<Value>(
  what: string,
  timeoutMs: number,
  probe: () => Promise<Value | null>,
): Promise<Value> {
  const until = performance.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value !== null) return value;
    assert.ok(performance.now() < until, `waited ${timeoutMs} ms in vain: ${what}`);
    await sleep(100);
  }
}
