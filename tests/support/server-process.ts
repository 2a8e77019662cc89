import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { isHealthy } from "../../cells/drivers/local/supervisor/health.ts";
import { launch } from "../../cells/drivers/local/supervisor/launch.ts";
import type { ProcessSpec } from "../../common/contracts/supervisor.ts";

export interface RunningServer {
  readonly pid: number;
  /** Sends a signal (default the spec's own stop signal) and returns when the process is gone. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

const startTimeoutMs = 20_000;

/** Runs a server for a test file, without a supervisor, until it is stopped or the test process ends. */
export async function runServer(spec: ProcessSpec, logFile: string): Promise<RunningServer> {
  const log = openSync(logFile, "a", 0o600);
  const child = launch(spec, { log, environment: { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C" } });
  closeSync(log);
  const gone = once(child, "exit");
  const pid = child.pid;
  if (pid === undefined) throw new Error(`${spec.command} did not start`);
  const killNow = (): void => void child.kill("SIGKILL");
  process.once("exit", killNow);

  const deadline = performance.now() + startTimeoutMs;
  while (!(await isHealthy(spec.health))) {
    if (child.exitCode !== null || child.signalCode !== null || performance.now() > deadline) {
      child.kill("SIGKILL");
      process.removeListener("exit", killNow);
      throw new Error(`${spec.name} did not become healthy:\n${readFileSync(logFile, "utf8").slice(-4000)}`);
    }
    await sleep(25);
  }
  return {
    pid,
    async stop(signal = spec.stopSignal) {
      child.kill(signal);
      await gone;
      process.removeListener("exit", killNow);
    },
  };
}
