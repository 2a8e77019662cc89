import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { ensureMoto, findMoto } from "../../scripts/setup/test-servers.ts";
import { freePort } from "./ports.ts";

export interface Moto {
  readonly url: string;
  stop(): Promise<void>;
}

// Importing its models takes Python several seconds on a busy machine.
const startTimeoutMs = 90_000;

/**
 * moto's server for one test file: Amazon's APIs, Route 53's among them, in memory.
 * @throws where it is not installed and cannot be.
 */
export async function startMoto(): Promise<Moto> {
  const command = findMoto() ?? (await ensureMoto());
  if (command === null) {
    throw new Error(
      "moto's server is missing: it needs python3 with pip, and the Python package index (`pip install moto[server]`)",
    );
  }
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(command.program, [...command.args, "-H", "127.0.0.1", "-p", String(port)], {
    env: { ...process.env, ...command.env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said = `${said}${chunk.toString()}`.slice(-4_000)));
  const killNow = (): void => void child.kill("SIGKILL");
  process.once("exit", killNow);
  const gone = once(child, "exit");

  const deadline = performance.now() + startTimeoutMs;
  while (!(await answers(url))) {
    if (child.exitCode !== null || child.signalCode !== null || performance.now() > deadline) {
      killNow();
      throw new Error(`moto's server did not start:\n${said}`);
    }
    await sleep(100);
  }
  return {
    url,
    async stop() {
      child.kill("SIGKILL");
      await gone;
      process.removeListener("exit", killNow);
    },
  };
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/moto-api/data.json`)).ok;
  } catch {
    return false;
  }
}
