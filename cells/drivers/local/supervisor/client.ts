import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, closeSync } from "node:fs";
import { request } from "node:http";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import Value from "typebox/value";
import {
  Connection,
  supervisorVersion,
  type ProcessList,
  type ProcessSpec,
  type ProcessStatus,
} from "../../../../common/contracts/supervisor.ts";
import type { Problem } from "../../../../common/contracts/problem.ts";
import { driverError, driverErrors } from "../../errors.ts";
import { readJson } from "../files.ts";
import { supervisorSettings } from "./config.ts";
import { isAlive, signal } from "./kernel.ts";
import { homeTakenExit } from "./lock.ts";
import { openLog } from "./logs.ts";
import { supervisorPaths } from "./paths.ts";

/** Longer than the longest grace of a process plus a SIGKILL: a stop is answered when the process is down. */
const longestAnswerMs = 150_000;
const startTimeoutMs = 20_000;
const pollMs = 50;

/** A supervisor that answered a moment ago. All methods throw supervisor-unreachable when it does no more. */
export interface Supervisor {
  readonly pid: number;
  list(): Promise<ProcessStatus[]>;
  /** Makes it so; the same spec again changes nothing. Returns before the process is up. */
  put(spec: ProcessSpec): Promise<ProcessStatus>;
  /** Stops a process and forgets it; an unknown name is no error. */
  remove(name: string): Promise<void>;
  /** Lets go of what was stopped by hand. @throws unknown-process; so do stop and restart. */
  start(name: string): Promise<ProcessStatus>;
  /** Stops by hand: it stays down until `start`. Returns when it is down. */
  stop(name: string): Promise<ProcessStatus>;
  restart(name: string): Promise<ProcessStatus>;
  /** @throws process-unhealthy when it is not running and healthy in time; unknown-process. */
  waitHealthy(name: string, timeoutMs: number): Promise<ProcessStatus>;
  /** Stops every process and the supervisor itself; returns when all are down. */
  shutdown(): Promise<void>;
}

/** The supervisor of a home, or null where none lives. */
export async function connectSupervisor(home: string): Promise<Supervisor | null> {
  const connection = await readJson(supervisorPaths(home).connection);
  if (!Value.Check(Connection, connection) || !isAlive(connection)) return null;
  try {
    await call(connection, "GET", "/processes");
  } catch {
    return null;
  }
  return client(connection);
}

/**
 * The supervisor of a home, started where none lives. It keeps nothing of the caller: its own session, no descriptor of ours.
 * @param node the Node.js program to run it with; must be able to run TypeScript sources.
 * @throws supervisor-unreachable with the end of its log when it does not come up.
 */
export async function startSupervisor(home: string, node: string = process.execPath): Promise<Supervisor> {
  const paths = supervisorPaths(home);
  const known = await connectSupervisor(home);
  if (known !== null && !(await isOutdated(paths.connection))) return known;
  if (known !== null) await replace(known.pid, paths.connection);
  mkdirSync(paths.logs, { recursive: true, mode: 0o700 });
  const log = openLog(paths.log("supervisor"));
  const main = fileURLToPath(new URL("main.ts", import.meta.url));
  const { environment, logLevel, silentSeconds, backupHours } = supervisorSettings();
  const child = spawn(node, [main, "--home", home], {
    cwd: home,
    env: {
      ...environment,
      LOG_LEVEL: logLevel,
      CELLPLANE_SILENT_SECONDS: String(silentSeconds),
      CELLPLANE_BACKUP_HOURS: String(backupHours),
      NODE_COMPILE_CACHE: paths.compileCache,
    },
    detached: true,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  child.unref();
  let ended: number | string | null = null;
  child.once("exit", (code, signal) => (ended = code ?? signal));
  child.once("error", (error) => (ended = error.message));
  const deadline = performance.now() + startTimeoutMs;
  while (performance.now() < deadline) {
    const supervisor = await connectSupervisor(home);
    if (supervisor !== null) return supervisor;
    // Another was faster: it will answer in a moment.
    if (ended !== null && ended !== homeTakenExit) break;
    await sleep(pollMs);
  }
  const lastWords = readFileSync(paths.log("supervisor"), "utf8").slice(-2_000);
  throw driverError("supervisor-unreachable", `The supervisor did not come up (${ended ?? "no answer"}).`, {
    cause: new Error(lastWords),
  });
}

async function isOutdated(path: string): Promise<boolean> {
  const connection = await readJson(path);
  return Value.Check(Connection, connection) && connection.version !== supervisorVersion;
}

/** Ends a supervisor of another version as a crash would: what it runs goes on, and is adopted by the next. */
async function replace(pid: number, path: string): Promise<void> {
  const connection = await readJson(path);
  signal(pid, "SIGKILL");
  while (Value.Check(Connection, connection) && isAlive(connection)) await sleep(pollMs);
}

function client(connection: Connection): Supervisor {
  const processPath = (name: string, action = ""): string => `/processes/${encodeURIComponent(name)}${action}`;
  const act = async (name: string, action: "start" | "stop" | "restart"): Promise<ProcessStatus> =>
    (await call(connection, "POST", processPath(name, `/${action}`))) as ProcessStatus;
  return {
    pid: connection.pid,
    list: async () => ((await call(connection, "GET", "/processes")) as ProcessList).processes,
    put: async (spec) => (await call(connection, "PUT", processPath(spec.name), spec)) as ProcessStatus,
    remove: async (name) => void (await call(connection, "DELETE", processPath(name))),
    start: (name) => act(name, "start"),
    stop: (name) => act(name, "stop"),
    restart: (name) => act(name, "restart"),
    async waitHealthy(name, timeoutMs) {
      const deadline = performance.now() + timeoutMs;
      for (;;) {
        const status = (await call(connection, "GET", processPath(name))) as ProcessStatus;
        if (status.state === "running") return status;
        if (performance.now() > deadline) {
          const ended = status.lastExit === null ? "" : `, last ended with ${status.lastExit}`;
          throw driverError(
            "process-unhealthy",
            `${name} is ${status.state} after ${timeoutMs} ms (${status.restarts} restarts${ended}).`,
          );
        }
        await sleep(pollMs);
      }
    },
    async shutdown() {
      await call(connection, "POST", "/shutdown");
      while (isAlive(connection)) await sleep(pollMs);
    },
  };
}

function call(connection: Connection, method: string, path: string, body?: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const unreachable = (cause: Error): void =>
      reject(driverError("supervisor-unreachable", "The supervisor does not answer.", { cause }));
    const headers = { authorization: `Bearer ${connection.token}`, "content-type": "application/json" };
    const sent = request(
      `${connection.url}${path}`,
      { method, headers, agent: false, timeout: longestAnswerMs },
      (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        response.once("error", unreachable);
        response.once("end", () => {
          try {
            const answer: unknown = JSON.parse(text);
            if (response.statusCode === 200) resolve(answer);
            else reject(refusal(answer as Problem));
          } catch (error) {
            unreachable(error as Error);
          }
        });
      },
    );
    sent.once("timeout", () => sent.destroy(new Error(`no answer within ${longestAnswerMs} ms`)));
    sent.once("error", unreachable);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

function refusal(problem: Problem): Error {
  const code = problem.code in driverErrors ? (problem.code as keyof typeof driverErrors) : "supervisor-refused";
  return driverError(code, problem.detail);
}
