/**
 * An open loop: requests are due by a Poisson process, whatever comes back, and each answer's time counts from when its request was due. It polls instead
 * of sleeping, for timers are a millisecond coarse. One line of JSON in, one line out, until its input ends.
 */
import { connect, type Socket } from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";

export interface Order {
  readonly perSecond: number;
  readonly seconds: number;
  /** Each with the port that it goes to, and what its answer must hold. */
  readonly requests: readonly { readonly port: number; readonly text: string; readonly contains: string }[];
}

export interface Result {
  /** Of right answers, from when each was due, in µs: at the median, and where 1 % and 0.1 % are slower. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly answered: number;
  readonly wrong: number;
  readonly example: string | null;
}

/** Connections to one port; more requests at once than that wait for one, and the wait counts. */
const lanes = 256;

type Request = Order["requests"][number];

class Lane {
  readonly socket: Socket;
  #asked: { request: Request; due: number } | null = null;
  #received = "";
  readonly #port: Port;

  constructor(port: Port, number: number) {
    this.#port = port;
    this.socket = connect({ host: "127.0.0.1", port: number, noDelay: true });
    this.socket.on("data", (chunk: Buffer) => this.#take(chunk));
    this.socket.on("error", () => this.socket.destroy());
    this.socket.on("close", () => {
      if (this.#asked !== null) port.load.wrongly("the connection was closed");
    });
  }

  ask(request: Request, due: number): void {
    this.#asked = { request, due };
    this.socket.write(request.text, "latin1");
  }

  #take(chunk: Buffer): void {
    this.#received += chunk.toString("latin1");
    const end = this.#received.indexOf("\r\n\r\n");
    if (end < 0 || this.#asked === null) return;
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(this.#received)?.[1] ?? 0);
    if (this.#received.length < end + 4 + length) return;
    const { request, due } = this.#asked;
    if (this.#received.startsWith("HTTP/1.1 200 ") && this.#received.includes(request.contains, end))
      this.#port.load.latencies.push((performance.now() - due) * 1_000);
    else this.#port.load.wrongly(this.#received.slice(0, 300));
    this.#received = "";
    this.#asked = null;
    this.#port.free(this);
  }
}

class Port {
  readonly load: Load;
  readonly #number: number;
  readonly #idle: Lane[] = [];
  readonly #waiting: { request: Request; due: number }[] = [];
  #count = 0;

  constructor(load: Load, number: number) {
    this.load = load;
    this.#number = number;
  }

  ask(request: Request, due: number): void {
    const lane = this.#idle.pop() ?? (this.#count < lanes ? this.#made() : undefined);
    if (lane === undefined) this.#waiting.push({ request, due });
    else lane.ask(request, due);
  }

  free(lane: Lane): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(lane);
    else lane.ask(next.request, next.due);
  }

  close(): void {
    for (const lane of this.#idle) lane.socket.destroy();
  }

  #made(): Lane {
    this.#count += 1;
    return new Lane(this, this.#number);
  }
}

class Load {
  readonly latencies: number[] = [];
  wrong = 0;
  example: string | null = null;
  readonly #order: Order;
  readonly #ports = new Map<number, Port>();
  #sent = 0;

  constructor(order: Order) {
    this.#order = order;
  }

  wrongly(example: string): void {
    this.wrong += 1;
    this.example ??= example;
  }

  async run(): Promise<Result> {
    const { perSecond, seconds, requests } = this.#order;
    const until = performance.now() + seconds * 1_000;
    let due = performance.now();
    while (due < until) {
      const now = performance.now();
      for (; due <= now && due < until; due += (-Math.log(1 - Math.random()) * 1_000) / perSecond) {
        const request = requests[this.#sent % requests.length] as Request;
        this.#sent += 1;
        this.#port(request.port).ask(request, due);
      }
      await immediately();
    }
    const patience = performance.now() + 5_000;
    while (this.latencies.length + this.wrong < this.#sent && performance.now() < patience) await immediately();
    for (const port of this.#ports.values()) port.close();
    const lost = this.#sent - this.latencies.length - this.wrong;
    const sorted = Float64Array.from(this.latencies).toSorted();
    const at = (q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
    const example = this.example ?? (lost > 0 ? `${lost} answers did not come` : null);
    return { p50: at(0.5), p99: at(0.99), p999: at(0.999), answered: sorted.length, wrong: this.wrong + lost, example };
  }

  #port(number: number): Port {
    let port = this.#ports.get(number);
    if (port === undefined) {
      port = new Port(this, number);
      this.#ports.set(number, port);
    }
    return port;
  }
}

function immediately(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const result = await new Load(JSON.parse(line) as Order).run();
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
