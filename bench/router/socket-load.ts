/** WebSockets that send a frame and wait for its echo, again and again. One line of JSON in, one line out, until its input ends. */
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";

export interface SocketOrder {
  readonly port: number;
  readonly host: string;
  readonly authorization: string;
  readonly inFlight: number;
  readonly seconds: number;
}

export interface SocketResult {
  readonly answered: number;
  readonly wrong: number;
  readonly example: string | null;
}

/** A text frame of 32 bytes, masked as a client's is (RFC 6455, section 5.2). The cell echoes bytes as they are. */
const frame = Buffer.concat([Buffer.from([0x81, 0x80 | 32]), randomBytes(4 + 32)]);

async function run(order: SocketOrder): Promise<SocketResult> {
  const result = { answered: 0, wrong: 0, example: null as string | null };
  const until = performance.now() + order.seconds * 1_000;
  await Promise.all(Array.from({ length: order.inFlight }, () => echo(order, until, result)));
  return result;
}

function echo(
  order: SocketOrder,
  until: number,
  result: { answered: number; wrong: number; example: string | null },
): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ port: order.port, host: "127.0.0.1", noDelay: true });
    let joined = false;
    let received: Buffer = Buffer.alloc(0);
    const wrongly = (example: string): void => {
      result.wrong += 1;
      result.example ??= example;
      socket.destroy();
    };
    socket.on("close", () => resolve());
    socket.on("error", (error) => wrongly(String(error)));
    socket.on("data", (chunk: Buffer) => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      if (!joined) {
        const end = received.indexOf("\r\n\r\n");
        if (end < 0) return;
        if (!received.toString("latin1", 0, end).startsWith("HTTP/1.1 101 "))
          return wrongly(received.toString("latin1"));
        joined = true;
        received = received.subarray(end + 4);
      } else {
        if (received.length < frame.length) return;
        if (!received.equals(frame)) return wrongly("another frame came back");
        received = Buffer.alloc(0);
        result.answered += 1;
      }
      if (performance.now() >= until) socket.destroy();
      else socket.write(frame);
    });
    const { host, authorization } = order;
    const fields = `connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${randomBytes(16).toString("base64")}\r\n`;
    socket.write(`GET /v1/socket HTTP/1.1\r\nhost: ${host}\r\nauthorization: ${authorization}\r\n${fields}\r\n`);
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await run(JSON.parse(line) as SocketOrder))}\n`);
}
