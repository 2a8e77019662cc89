/** Asks in a closed loop over plain connections, over TLS, or over HTTP/2. One line of JSON in, one line out, until its input ends. */
import { once } from "node:events";
import { connect as connectHttp2, type ClientHttp2Session } from "node:http2";
import { connect as connectPlain, type Socket } from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";
import { connect as connectTls } from "node:tls";

export const ways = ["plain", "tls", "h2"] as const;
export type Way = (typeof ways)[number];

export interface Order {
  readonly way: Way;
  readonly port: number;
  readonly servername: string;
  readonly inFlight: number;
  readonly seconds: number;
  readonly requests: readonly { readonly host: string; readonly authorization: string; readonly contains: string }[];
}

export interface Result {
  readonly answered: number;
  readonly wrong: number;
  readonly example: string | null;
}

type Request = Order["requests"][number];
/** Streams at once on one session. */
const streams = 8;
const path = "/v1/stats?bucket=hour";

async function run(order: Order): Promise<Result> {
  const result = { answered: 0, wrong: 0, example: null as string | null };
  const until = performance.now() + order.seconds * 1_000;
  let turn = 0;
  const sessions = new Map<number, Promise<ClientHttp2Session>>();
  const askerOf = async (lane: number): Promise<(request: Request) => Promise<string>> => {
    if (order.way !== "h2") return overSocket(order);
    const number = Math.floor(lane / streams);
    const session = sessions.get(number) ?? openSession(order);
    sessions.set(number, session);
    return overStreams(await session);
  };
  const lane = async (index: number): Promise<void> => {
    const ask = await askerOf(index);
    while (performance.now() < until) {
      const request = order.requests[turn++ % order.requests.length] as Request;
      const text = await ask(request);
      if (text.includes(request.contains)) result.answered += 1;
      else {
        result.wrong += 1;
        result.example ??= text.slice(0, 300);
      }
    }
  };
  await Promise.all(Array.from({ length: order.inFlight }, (_, index) => lane(index)));
  for (const session of sessions.values()) (await session).destroy();
  for (const socket of sockets.splice(0)) socket.destroy();
  return result;
}

const sockets: Socket[] = [];

function overSocket({ way, port, servername }: Order): (request: Request) => Promise<string> {
  const socket =
    way === "plain"
      ? connectPlain({ port, host: "127.0.0.1", noDelay: true })
      : connectTls({ port, host: "127.0.0.1", servername, rejectUnauthorized: false });
  sockets.push(socket);
  let received = "";
  let settle: (text: string) => void = () => undefined;
  socket.on("data", (chunk: Buffer) => {
    received += chunk.toString("latin1");
    const end = received.indexOf("\r\n\r\n");
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(received)?.[1] ?? 0);
    if (end < 0 || received.length < end + 4 + length) return;
    const text = received;
    received = "";
    settle(text);
  });
  socket.on("error", (error) => settle(String(error)));
  return ({ host, authorization }) =>
    new Promise((resolve) => {
      settle = resolve;
      socket.write(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\nauthorization: ${authorization}\r\n\r\n`, "latin1");
    });
}

async function openSession({ port, servername }: Order): Promise<ClientHttp2Session> {
  const session = connectHttp2(`https://${servername}:${port}`, {
    createConnection: () =>
      connectTls({ port, host: "127.0.0.1", servername, rejectUnauthorized: false, ALPNProtocols: ["h2"] }),
  });
  await once(session, "connect");
  return session;
}

function overStreams(session: ClientHttp2Session): (request: Request) => Promise<string> {
  return ({ host, authorization }) =>
    new Promise((resolve) => {
      const stream = session.request({ ":authority": host, ":path": path, authorization });
      let text = "";
      stream.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
      stream.on("end", () => resolve(text));
      stream.on("error", (error) => resolve(String(error)));
    });
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await run(JSON.parse(line) as Order))}\n`);
}
