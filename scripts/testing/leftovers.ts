import { readdir, readFile, readlink } from "node:fs/promises";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";

export interface Leftover {
  readonly pid: number;
  readonly command: string;
}

// A process that was told to stop as the last act of a test may take a moment to be gone.
const graceMs = 3_000;
const pollMs = 50;

/**
 * Processes that a test file left behind: those that inherited its marker, and those that live in its temporary folder
 * (a database gets an environment of its own). Looks into /proc, so elsewhere than on Linux it sees none.
 */
export async function leftovers(marker: string, folder: string): Promise<Leftover[]> {
  const found: Leftover[] = [];
  const pids = (await readdir("/proc").catch(() => [])).map(Number).filter((pid) => pid > 0 && pid !== process.pid);
  for (const pid of pids) {
    const command = await textOf(pid, "cmdline");
    if (command === "") continue;
    const environment = await textOf(pid, "environ");
    const where = await readlink(`/proc/${pid}/cwd`).catch(() => "");
    if (environment.includes(marker) || command.includes(folder) || `${where}/`.startsWith(`${folder}/`)) {
      found.push({ pid, command: command.replaceAll("\0", " ").trim().slice(0, 200) });
    }
  }
  return found;
}

/** Those that are still there after a moment of grace; they are killed. */
export async function endLeftovers(marker: string, folder: string): Promise<Leftover[]> {
  const until = performance.now() + graceMs;
  let found = await leftovers(marker, folder);
  while (found.length > 0 && performance.now() < until) {
    await sleep(pollMs);
    found = await leftovers(marker, folder);
  }
  // A supervisor that is killed last would start again what was killed before it: several rounds, until none is left.
  for (let round = 0, rest = found; rest.length > 0 && round < 10; round++) {
    for (const { pid } of rest) kill(pid);
    await sleep(pollMs);
    rest = await leftovers(marker, folder);
  }
  return found;
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Empty for a process that has ended, is a zombie, or belongs to somebody else. */
async function textOf(pid: number, file: "cmdline" | "environ"): Promise<string> {
  return await readFile(`/proc/${pid}/${file}`, "utf8").catch(() => "");
}
