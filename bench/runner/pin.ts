import { execFile } from "node:child_process";
import { availableParallelism } from "node:os";
import { promisify } from "node:util";

/** The cores of a run: what is measured has one of its own; what it talks to and who asks share the other. */
export const cores = {
  subject: 0,
  others: availableParallelism() > 1 ? 1 : 0,
} as const;

/** A command line that runs pinned to a core (taskset(1), of util-linux). */
export function pinned(core: number, command: string, args: readonly string[]): [string, string[]] {
  return ["taskset", ["--cpu-list", String(core), command, ...args]];
}

/** Pins a process that runs already, with all its threads; what it starts from then on inherits that. */
export async function pinRunning(core: number, pid: number): Promise<void> {
  await promisify(execFile)("taskset", ["--all-tasks", "--cpu-list", "--pid", String(core), String(pid)]);
}
