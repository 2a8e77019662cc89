/**
 * Asks over keep-alive connections, one request in flight on each, the next as soon as the answer is whole: a closed loop, as lean as Node
 * allows (raw sockets, requests made beforehand), so that the generator costs little beside what it measures.
 */
import { connect, type Socket } from "node:net";

/** A request as bytes, and how its answer is known to be right. */
export interface Asked {
  readonly request: Buffer;
  readonly status: number;
  /** Must stand in the body: e.g. something only that tenant has. */
  readonly contains: string;
}

export interface LoopOptions {
  readonly port: number;
  readonly inFlight: number;
  readonly warmMs: number;
  readonly measureMs: number;
}

export interface LoopResult {
  /** Right answers within the measured time. */
  readonly answered: number;
  /** Right answers altogether, the warming included. */
  readonly all: number;
  readonly wrong: number;
  /** What the first wrong answer looked like. */
  readonly example: string | null;
  readonly seconds: number;
  /** Of the measured answers, in ms. */
  readonly latencies: number[];
}

/** The bytes of a request with keep-alive. */
export function requestBytes(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body?: string,
): Buffer {
  const fields = Object.entries({
    host: "bench",
    ...headers,
    ...(body === undefined
      ? {}
      : { "content-type": "application/json", "content-length": String(Buffer.byteLength(body)) }),
  });
  const head = fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${head}\r\n${body ?? ""}`);
}

/** Runs the loop over these requests in turn. */
export async function closedLoop(asked: readonly Asked[], options: LoopOptions): Promise<LoopResult> {
  const result = { answered: 0, all: 0, wrong: 0, example: null as string | null, latencies: [] as number[] };
  const began = performance.now();
  const from = began + options.warmMs;
  const until = from + options.measureMs;
  let turn = 0;
  const lane = async (): Promise<void> => {
    const connection = new Connection(options.port);
    await connection.opened;
    for (;;) {
      const start = performance.now();
      if (start >= until) break;
      const next = asked[turn++ % asked.length];
      if (next === undefined) break;
      const answer = await connection.ask(next.request);
      const end = performance.now();
      if (answer.status !== next.status || !answer.text.includes(next.contains)) {
        result.wrong += 1;
        result.example ??= answer.text.slice(0, 600);
        continue;
      }
      result.all += 1;
      if (start < from || end > until) continue;
      result.answered += 1;
      result.latencies.push(end - start);
    }
    connection.close();
  };
  await Promise.all(Array.from({ length: options.inFlight }, lane));
  return { ...result, seconds: options.measureMs / 1000 };
}

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** One connection: the answer is whole when as much of it is there as Content-Length says. */
export class Connection {
  readonly opened: Promise<void>;
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #settle: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | null = null;

  constructor(port: number) {
    this.#socket = connect({ host: "127.0.0.1", port, noDelay: true });
    this.opened = new Promise((resolve, reject) => {
      this.#socket.once("connect", resolve);
      this.#socket.once("error", reject);
    });
    this.#socket.on("data", (chunk: Buffer) => this.#take(chunk));
    this.#socket.on("error", (error) => this.#settle?.reject(error));
    this.#socket.on("close", () => this.#settle?.reject(new Error("the server closed the connection")));
  }

  ask(request: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#settle = null;
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const headEnd = this.#received.indexOf("\r\n\r\n");
    if (headEnd < 0) return;
    const head = this.#received.toString("latin1", 0, headEnd);
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
    if (this.#received.length < headEnd + 4 + length) return;
    const text = this.#received.toString("utf8", 0, headEnd + 4 + length);
    this.#received = Buffer.alloc(0);
    this.#settle?.resolve({ status: Number(head.slice(9, 12)), text });
  }
}
