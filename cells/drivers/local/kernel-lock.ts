import { createServer, type Server } from "node:net";

/**
 * Takes a name on this machine: a socket in Linux's abstract namespace, which the kernel frees at any death of its holder, kill -9
 * too. (A lock file would have to be judged stale, and two judges can both be right.)
 * @returns what to close to give it back; null when somebody else has it.
 */
export function takeName(name: string): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", (error: NodeJS.ErrnoException) =>
      error.code === "EADDRINUSE" ? resolve(null) : reject(error),
    );
    server.listen(`\0${name}`, () => resolve(server.unref()));
  });
}
