import { request } from "node:http";
import { connect, type Socket } from "node:net";
import type { HealthCheck } from "../../../../common/contracts/supervisor.ts";

/** A process that answers slower than this is asked again. */
const answerTimeoutMs = 2_000;

/** Asks once whether a process can serve. A refusal, a silence and a wrong answer are all "not yet". */
export async function isHealthy(check: HealthCheck): Promise<boolean> {
  switch (check.kind) {
    case "none":
      return true;
    case "http":
      return httpAnswers(check.url);
    case "tcp":
      return onSocket(check.port, (socket, settle) => socket.once("connect", () => settle(true)));
    case "postgres":
      return onSocket(check.port, askForCredentials);
    default:
      return check satisfies never;
  }
}

function httpAnswers(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const call = request(url, { agent: false, timeout: answerTimeoutMs }, (response) => {
      response.resume();
      resolve(response.statusCode !== undefined && response.statusCode >= 200 && response.statusCode < 300);
    });
    call.once("error", () => resolve(false));
    call.once("timeout", () => call.destroy(new Error("no answer in time")));
    call.end();
  });
}

type Settle = (healthy: boolean) => void;

function onSocket(port: number, ask: (socket: Socket, settle: Settle) => void): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    const settle = (healthy: boolean): void => {
      socket.destroy();
      resolve(healthy);
    };
    socket.setTimeout(answerTimeoutMs, () => settle(false));
    socket.once("error", () => settle(false));
    socket.once("close", () => resolve(false));
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
  socket.once("data", (answer) => settle(answer[0] === "R".charCodeAt(0)));
}
