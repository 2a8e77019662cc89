import { availableParallelism } from "node:os";

/** The cores of a run: what is measured has one of its own; what it talks to and who asks share the other. */
export const cores = {
  subject: 0,
  others: availableParallelism() > 1 ? 1 : 0,
} as const;

/** A command line that runs pinned to a core (taskset(1), of util-linux). */
export function pinned(core: number, command: string, args: readonly string[]): [string, string[]] {
  return ["taskset", ["--cpu-list", String(core), command, ...args]];
}
