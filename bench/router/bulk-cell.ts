/**
 * The bulk cell: reads whole bodies before it answers, and echoes what comes on a WebSocket. Raw sockets, as lean as Node allows.
 * `node bulk-cell.ts <port>`.
 */
import { hash } from "node:crypto";
import { createServer, type Socket } from "node:net";
import process from "node:process";
import { cellCount } from "./fleet.ts";

const server = createServer({ noDelay: true }, (socket) => {
  let left = 0;
  socket.on("error", () => socket.destroy());
  socket.on("data", function take(chunk: Buffer) {
    if (left > chunk.length) {
      left -= chunk.length;
      return;
    }
    if (left > 0) {
      left = 0;
      return answer(socket);
    }
    const end = chunk.indexOf("\r\n\r\n");
    if (end < 0) return void socket.destroy();
    const head = chunk.toString("latin1", 0, end);
    if (/\r\nupgrade: websocket/i.test(head)) {
      const key = /\r\nsec-websocket-key: *([^\r]+)/i.exec(head)?.[1] ?? "";
      // RFC 6455, section 4.2.2.
      const accept = hash("sha1", `${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`, "base64");
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${accept}\r\n\r\n`,
      );
      socket.removeListener("data", take);
      socket.on("data", (bytes: Buffer) => socket.write(bytes));
      return;
    }
    left = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0) - (chunk.length - end - 4);
    if (left === 0) answer(socket);
  });
});

function answer(socket: Socket): void {
  const body = JSON.stringify({ cell: cellCount });
  const date = "date: Thu, 01 Jan 2026 00:00:00 GMT";
  socket.write(
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n${date}\r\ncellplane-release: bench@1\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    "latin1",
  );
}

server.listen(Number(process.argv[2]), "127.0.0.1");
