/**
 * Four cells as lean as Node allows: raw sockets, one answer a request, which names the cell, the tenant it was asked for, and whether an
 * assertion came along. `node cells.ts <first port>`.
 */
import { createServer } from "node:net";
import process from "node:process";
import { cellCount } from "./fleet.ts";

const firstPort = Number(process.argv[2]);

for (let cell = 0; cell < cellCount; cell += 1) {
  const server = createServer({ noDelay: true }, (socket) => {
    let pending = "";
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk) => {
      pending += chunk.toString("latin1");
      for (let end = pending.indexOf("\r\n\r\n"); end >= 0; end = pending.indexOf("\r\n\r\n")) {
        const head = pending.slice(0, end);
        const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
        if (pending.length < end + 4 + length) return;
        pending = pending.slice(end + 4 + length);
        const host = /\r\nhost: *([^\r]+)/i.exec(head)?.[1];
        const body = JSON.stringify({ cell, host, assertion: /\r\ncellplane-assertion: /i.test(head), bytes: length });
        socket.write(
          `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\ncellplane-release: bench@1\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
          "latin1",
        );
      }
    });
  });
  server.listen(firstPort + cell, "127.0.0.1");
}
