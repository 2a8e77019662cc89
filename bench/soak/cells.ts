/**
 * Cells that answer in every way that an application may: at once, late, in pieces, without end, on a WebSocket. Every few seconds one of them
 * breaks all its connections. `node cells.ts <first port>`.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import type { Socket } from "node:net";
import { cellCount } from "./fleet.ts";

const firstPort = Number(process.argv[2]);
const breakEveryMs = 5_000;
const eventEveryMs = 20;
const lateMs = 40;
const piece = Buffer.alloc(16 * 1024, "p");
const pieces = 16;

async function answer(cell: number, request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.setHeader("cellplane-release", "soak@1");
  response.on("error", () => response.destroy());
  let bytes = 0;
  try {
    for await (const chunk of request) bytes += (chunk as Buffer).length;
  } catch {
    // The client went away in the middle of its body.
    return;
  }
  const path = request.url ?? "/";
  if (path.startsWith("/late")) await sleep(lateMs);
  if (path.startsWith("/events")) return streamEvents(response);
  if (path.startsWith("/large")) {
    for (let n = 0; n < pieces; n += 1) response.write(piece);
    response.end();
    return;
  }
  const assertion = request.headers["cellplane-assertion"] !== undefined;
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ cell: `cell-${cell}`, host: request.headers.host, assertion, bytes }));
}

function streamEvents(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
  const timer = setInterval(() => response.write("data: tick\n\n"), eventEveryMs);
  response.on("close", () => clearInterval(timer));
}

for (let cell = 0; cell < cellCount; cell += 1) {
  const sockets = new Set<Socket>();
  const server = createServer(
    { keepAliveTimeout: 75_000 },
    (request, response) => void answer(cell, request, response),
  );
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("upgrade", (_request, socket) => {
    socket.on("error", () => socket.destroy());
    socket.on("end", () => socket.end());
    socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n");
    socket.on("data", (chunk: Buffer) => socket.write(chunk));
  });
  server.listen(firstPort + cell, "127.0.0.1");
  setTimeout(
    () => {
      setInterval(() => {
        for (const socket of sockets) socket.destroy();
      }, breakEveryMs * cellCount);
    },
    breakEveryMs * (cell + 1),
  );
}
