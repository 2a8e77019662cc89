import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import type { ProcessSpec } from "../../../../common/contracts/supervisor.ts";

export interface LaunchOptions {
  /** Descriptor that takes stdout and stderr. */
  readonly log: number;
  /** Variables beside the spec's own; the spec's win. */
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Starts a process in a session of its own, so that neither Ctrl-C nor the end of the supervisor reaches it, with its output going straight
 * to a file: a pipe would break when the supervisor dies.
 */
export function launch(spec: ProcessSpec, options: LaunchOptions): ChildProcess {
  const directory = spec.directoryFd ? openSync(spec.cwd, "r") : null;
  try {
    return spawn(spec.command, spec.args, {
      cwd: spec.cwd,
      env: { ...options.environment, ...spec.env },
      detached: true,
      stdio: ["ignore", options.log, options.log, ...(directory === null ? [] : [directory])],
      ...(spec.user === null ? {} : { uid: spec.user.uid, gid: spec.user.gid }),
    });
  } finally {
    if (directory !== null) closeSync(directory);
  }
}
