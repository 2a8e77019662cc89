import { realpathSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { sha256 } from "../../../../common/canonical.ts";

/**
 * Takes the home for this process, as long as it lives: a socket in Linux's abstract namespace, which the kernel frees at any death,
 * kill -9 too. (A file would have to be judged stale, and two judges can both be right.)
 * @returns null when another supervisor has the home.
 */
export function lockHome(home: string): Promise<Server | null> {
  const name = `\0cellplane-supervisor-${sha256(realpathSync(home)).slice(0, 32)}`;
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", (error: NodeJS.ErrnoException) => (error.code === "EADDRINUSE" ? resolve(null) : reject(error)));
    server.listen(name, () => resolve(server.unref()));
  });
}

/** Exit code of a supervisor that finds its home taken. */
export const homeTakenExit = 75;
