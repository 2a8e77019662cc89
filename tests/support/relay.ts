import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";

/** A relay with the shortest queue of connections that a kernel gives. */
const script = `
const net = require("node:net");
const [port, target] = process.argv.slice(1).map(Number);
net.createServer({ allowHalfOpen: true }, (client) => {
  const server = net.connect({ port: target, host: "127.0.0.1", allowHalfOpen: true });
  for (const [a, b] of [[client, server], [server, client]]) {
    a.pipe(b);
    a.on("error", () => b.destroy());
    a.on("close", () => b.destroy());
  }
}).listen({ port, host: "127.0.0.1", backlog: 1 }, () => process.stdout.write("listening"));
`;
/** A handshake that has not come about after this long is one that the kernel does not answer. */
const deafAfterMs = 500;
const mostWaiting = 64;

/**
 * A TCP relay in a process of its own, which can become a black hole: what was connected stays connected and says nothing, new handshakes are not
 * answered. No packet says that anything is wrong.
 */
export class Relay {
  readonly port: number;
  readonly #child: ChildProcess;
  #waiting: Socket[] = [];

  private constructor(port: number, child: ChildProcess) {
    this.port = port;
    this.#child = child;
  }

  static async start(port: number, target: number): Promise<Relay> {
    const child = spawn(process.execPath, ["-e", script, String(port), String(target)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    if (child.stdout !== null) await once(child.stdout, "data");
    return new Relay(port, child);
  }

  /** Stops the process, then fills the kernel's queue, so that further handshakes are dropped. */
  async swallow(): Promise<void> {
    this.#child.kill("SIGSTOP");
    while (this.#waiting.length < mostWaiting) {
      const socket = connect(this.port, "127.0.0.1");
      socket.on("error", () => undefined);
      this.#waiting.push(socket);
      const answered = await Promise.race([once(socket, "connect").then(() => true), sleep(deafAfterMs, false)]);
      if (!answered) return;
    }
    throw new Error("the kernel goes on answering handshakes");
  }

  /** The way is there again. */
  comeBack(): void {
    for (const socket of this.#waiting) socket.destroy();
    this.#waiting = [];
    this.#child.kill("SIGCONT");
  }

  async stop(): Promise<void> {
    const gone = once(this.#child, "exit");
    this.comeBack();
    this.#child.kill("SIGKILL");
    await gone;
  }
}
