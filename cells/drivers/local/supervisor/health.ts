import { request } from "node:http";
import { connect, type Socket } from "node:net";
import type { HealthCheck } from "../../../../common/contracts/supervisor.ts";

/** A process that answers slower than this is asked again. */
const answerTimeoutMs = 2_000;

/**
 * What a process said when it was asked.
 *   healthy  it can serve
 *   answers  it lives, but cannot serve yet or now: a database in recovery, or with all its connections taken
 *   silent   nothing came: it is not there, or hangs
 */
export type Pulse = "healthy" | "answers" | "silent";

/** Asks once how a process is. */
export async function pulseOf(check: HealthCheck): Promise<Pulse> {
  switch (check.kind) {
    case "none":
      return "healthy";
    case "http":
      return httpPulse(check.url);
    case "tcp":
      return onSocket(check.port, (socket, settle) => socket.once("connect", () => settle("healthy")));
    case "postgres":
      return onSocket(check.port, askForCredentials);
    case "redis":
      return onSocket(check.port, askForPong);
    default:
      return check satisfies never;
  }
}

/** Asks once whether a process can serve. A refusal, a silence and a wrong answer are all "not yet". */
export async function isHealthy(check: HealthCheck): Promise<boolean> {
  return (await pulseOf(check)) === "healthy";
}

function httpPulse(url: string): Promise<Pulse> {
  return new Promise((resolve) => {
    const call = request(url, { agent: false, timeout: answerTimeoutMs }, (response) => {
      response.resume();
      const { statusCode = 0 } = response;
      resolve(statusCode >= 200 && statusCode < 300 ? "healthy" : "answers");
    });
    call.once("error", () => resolve("silent"));
    call.once("timeout", () => call.destroy(new Error("no answer in time")));
    call.end();
  });
}

type Settle = (pulse: Pulse) => void;

function onSocket(port: number, ask: (socket: Socket, settle: Settle) => void): Promise<Pulse> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    const settle = (pulse: Pulse): void => {
      socket.destroy();
      resolve(pulse);
    };
    socket.setTimeout(answerTimeoutMs, () => settle("silent"));
    socket.once("error", () => settle("silent"));
    socket.once("close", () => resolve("silent"));
    ask(socket, settle);
  });
}

/**
 * Sends a StartupMessage (PostgreSQL, "Message Formats") for a user that does not exist. A server that is open asks for a
 * password all the same (`R`); one that still starts or recovers answers with an error (`E`).
 */
function askForCredentials(socket: Socket, settle: Settle): void {
  const parameters = Buffer.from("user\0health\0database\0postgres\0\0");
  const message = Buffer.alloc(8 + parameters.length);
  message.writeInt32BE(message.length, 0);
  message.writeInt32BE(196_608, 4);
  parameters.copy(message, 8);
  socket.once("connect", () => socket.write(message));
  socket.once("data", (answer) => settle(answer[0] === "R".charCodeAt(0) ? "healthy" : "answers"));
}

/** An inline PING (Redis protocol, "Inline commands"). To who gave no password yet `-NOAUTH` is the answer of a server that serves. */
function askForPong(socket: Socket, settle: Settle): void {
  socket.once("connect", () => socket.write("PING\r\n"));
  socket.once("data", (answer) => settle(/^(\+PONG|-NOAUTH)/.test(answer.toString("latin1")) ? "healthy" : "answers"));
}
