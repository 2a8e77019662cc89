import type { IncomingMessage } from "node:http";
import websocket, { type WebSocket } from "@fastify/websocket";
import type { FastifyRequest } from "fastify";
import type { Server } from "../../../common/http/server.ts";
import { cellError } from "../errors.ts";

export type { WebSocket } from "@fastify/websocket";

/** Largest message of a client; more closes the socket with 1009. */
const largestMessageBytes = 65_536;
/** Bytes that may wait for a client that does not read. */
const mostWaitingBytes = 1_048_576;
/** A client that does not answer a ping until the next one is gone. */
const pingEveryMs = 30_000;
/** A client that does not close back within this time is cut off. */
const goodbyeMs = 2_000;
/** Service restart (IANA, WebSocket Close Code Number Registry): come again. */
const comeAgainCode = 1012;

/**
 * Lets routes speak WebSocket: `server.get(address, { websocket: true }, (socket, request) => { … })`. The way there is that of every request
 * (assertion, key, schema); the kit then counts the socket, pings it, bounds what it sends and what it leaves unread, and closes it with 1012 when the
 * tenant is not served here any more. Each transaction in it is checked as in any route.
 *
 * Comes before all hooks that may refuse: the plugin closes the connection of a refused opening only if its own hook has seen it.
 */
export async function speakWebSocket(server: Server): Promise<void> {
  const waiting = new WeakMap<IncomingMessage, (socket: WebSocket) => void>();
  await server.register(websocket, {
    options: { maxPayload: largestMessageBytes, perMessageDeflate: false },
    errorHandler: (error, socket, request) => failed(error, socket, request),
  });
  server.websocketServer.on("connection", (socket, raw) => waiting.get(raw)?.(socket));

  server.addHook("onRoute", (route) => {
    if (route.websocket === true) route.config = { ...route.config, websocket: true };
  });
  // After everything that asks who the caller is.
  server.addHook("preValidation", async (request, reply) => {
    if (request.is404) return;
    const speaks = request.routeOptions.config.websocket === true;
    if (speaks && !request.ws) {
      reply.header("upgrade", "websocket").header("connection", "upgrade");
      throw cellError("websocket-expected", "This was an ordinary request.");
    }
    if (!speaks && request.ws) throw cellError("websocket-not-here", "This was a WebSocket's opening.");
  });
  // The last hook before the upgrade, so that a refusal is still an ordinary answer.
  server.addHook("preHandler", async (request, reply) => {
    if (!request.ws || request.is404) return;
    let socket: WebSocket | undefined;
    const leave = request.tenant.admitStream(() => socket !== undefined && sayGoodbye(socket), reply.elapsedTime);
    request.raw.socket.once("close", leave);
    waiting.set(request.raw, (opened) => {
      socket = opened;
      watch(opened);
    });
  });
}

function sayGoodbye(socket: WebSocket): void {
  socket.close(comeAgainCode, "come again");
  setTimeout(() => socket.terminate(), goodbyeMs).unref();
}

function watch(socket: WebSocket): void {
  let heard = true;
  const timer = setInterval(() => {
    if (!heard || socket.bufferedAmount > mostWaitingBytes) return socket.terminate();
    heard = false;
    socket.ping();
  }, pingEveryMs);
  socket.on("pong", () => {
    heard = true;
  });
  socket.once("close", () => clearInterval(timer));
}

/** What the client did wrong is its own affair; what the handler did is logged. */
function failed(error: Error & { readonly code?: string }, socket: WebSocket, request: FastifyRequest): void {
  if (error.code?.startsWith("WS_ERR_") !== true && error.code !== "ECONNRESET" && error.code !== "EPIPE") {
    request.tenant.log.error({ event: "socket-failed", requestId: request.id, err: error });
    socket.close(1011, "internal error");
  }
  setTimeout(() => socket.terminate(), goodbyeMs).unref();
}
