/**
 * Customers of a fleet, in a process of its own: requests at a steady rate whatever comes back (an open loop; a latency counts from the moment its request was
 * due), and streams that are opened again whenever they end. Orders and results are lines of JSON: `start` begins, `stop` ends it and tells what happened since.
 */
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket } from "ws";
import { uuidv7 } from "../../common/uuid.ts";

export interface Customer {
  readonly slug: string;
  readonly host: string;
  readonly key: string;
}

export type Order =
  | {
      readonly kind: "start";
      readonly port: number;
      readonly customers: readonly Customer[];
      readonly perSecond: number;
    }
  | { readonly kind: "stop" };

export interface Result {
  readonly sent: number;
  readonly failed: number;
  readonly example: string | null;
  /** Of the right answers, in ms. */
  readonly latencies: readonly number[];
  /** Server-sent events: streams, how often one was opened again after it had ended as it should, broke, or was refused; events missed or told twice. */
  readonly events: StreamCount & { readonly skipped: number };
  /** WebSockets; those that ended with 1012 (service restart) ended as they should. */
  readonly sockets: StreamCount;
}

export interface StreamCount {
  readonly streams: number;
  readonly heard: number;
  readonly reconnected: number;
  readonly broken: number;
}

/** One request of so many reads. */
const readEvery = 4;
const serviceRestart = 1_012;
/** As the kit's `retry:` asks for; a socket that was told to come again does so as soon. */
const reconnectMs = 1_000;
const sayEveryMs = 200;

class Load {
  readonly #order: Order & { kind: "start" };
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 256 });
  readonly #open = new Set<Promise<void>>();
  readonly #streams: Promise<void>[];
  readonly #latencies: number[] = [];
  readonly #events = { streams: 0, heard: 0, reconnected: 0, broken: 0, skipped: 0 };
  readonly #sockets = { streams: 0, heard: 0, reconnected: 0, broken: 0 };
  #sent = 0;
  #failed = 0;
  #example: string | null = null;
  #stopped = false;
  readonly #running: Promise<void>;

  constructor(order: Order & { kind: "start" }) {
    this.#order = order;
    this.#running = this.#send();
    this.#streams = order.customers.flatMap((customer) => [this.#listen(customer), this.#talk(customer)]);
  }

  async stop(): Promise<Result> {
    this.#stopped = true;
    await this.#running;
    await Promise.all([...this.#open, ...this.#streams]);
    this.#agent.destroy();
    return {
      sent: this.#sent,
      failed: this.#failed,
      example: this.#example,
      latencies: this.#latencies,
      events: this.#events,
      sockets: this.#sockets,
    };
  }

  async #send(): Promise<void> {
    const { customers, perSecond } = this.#order;
    const began = performance.now();
    while (!this.#stopped) {
      const dueAt = began + (this.#sent * 1_000) / perSecond;
      const pause = dueAt - performance.now();
      if (pause > 0) await sleep(pause);
      const customer = customers[this.#sent % customers.length];
      this.#sent += 1;
      if (customer === undefined) throw new RangeError("there are no customers");
      const asked = this.#ask(customer, this.#sent % readEvery === 0, dueAt).finally(() => this.#open.delete(asked));
      this.#open.add(asked);
    }
  }

  async #ask(customer: Customer, reads: boolean, dueAt: number): Promise<void> {
    const event = { id: uuidv7(), type: "bench", user: "bench", at: new Date().toISOString(), value: 1 };
    const answer = await (
      reads
        ? this.#exchange(customer, "GET", "/v1/stats")
        : this.#exchange(customer, "POST", "/v1/events", JSON.stringify({ events: [event] }))
    ).catch((error: unknown) => ({ status: 0, text: String(error) }));
    if (answer.status === (reads ? 200 : 202)) return void this.#latencies.push(performance.now() - dueAt);
    this.#failed += 1;
    this.#example ??= `${customer.slug}: ${answer.status} ${answer.text.slice(0, 300)}`;
  }

  #exchange(
    { host, key }: Customer,
    method: string,
    path: string,
    body?: string,
  ): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const headers = {
        host,
        authorization: `Bearer ${key}`,
        ...(body === undefined
          ? {}
          : { "content-type": "application/json", "content-length": String(Buffer.byteLength(body)) }),
      };
      const sent = httpRequest({
        host: "127.0.0.1",
        port: this.#order.port,
        method,
        path,
        headers,
        agent: this.#agent,
      });
      sent.on("error", reject);
      sent.on("response", (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        answer.on("error", reject);
        answer.on("end", () => resolve({ status: answer.statusCode ?? 0, text }));
      });
      sent.end(body);
    });
  }

  /** One stream of events for ever: after each end it goes on behind the last event that it heard. */
  async #listen(customer: Customer): Promise<void> {
    const count = this.#events;
    count.streams += 1;
    for (let last = 0, again = false; !this.#stopped; again = true) {
      if (again) await sleep(reconnectMs);
      const answer = await this.#openEvents(customer, last).catch(() => null);
      if (answer?.statusCode !== 200) {
        if (answer !== null) answer.destroy();
        count.broken += 1;
        continue;
      }
      if (again) count.reconnected += 1;
      let text = "";
      try {
        for await (const chunk of answer.setEncoding("utf8") as AsyncIterable<string>) {
          text += chunk;
          const whole = text.slice(0, text.lastIndexOf("\n\n") + 2);
          text = text.slice(whole.length);
          for (const [, id] of whole.matchAll(/^id: (\d+)$/gm)) {
            if (last > 0 && Number(id) !== last + 1) count.skipped += 1;
            last = Number(id);
            count.heard += 1;
          }
          if (this.#stopped) answer.destroy();
        }
      } catch {
        if (!this.#stopped) count.broken += 1;
      }
    }
  }

  #openEvents({ host, key }: Customer, last: number): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const resume = last === 0 ? {} : { "last-event-id": String(last) };
      const headers = { host, authorization: `Bearer ${key}`, ...resume };
      const path = "/v1/ticks";
      const sent = httpRequest({ host: "127.0.0.1", port: this.#order.port, path, headers, agent: false });
      sent.on("error", reject);
      sent.on("response", resolve);
      sent.end();
    });
  }

  /** One socket for ever, which says something now and then and hears it again. */
  async #talk({ host, key }: Customer): Promise<void> {
    const count = this.#sockets;
    count.streams += 1;
    for (let again = false; !this.#stopped; again = true) {
      if (again) await sleep(reconnectMs);
      const headers = { host, authorization: `Bearer ${key}` };
      const socket = new WebSocket(`ws://127.0.0.1:${this.#order.port}/v1/echo`, { headers });
      const timer = setInterval(() => {
        if (this.#stopped) socket.close();
        else if (socket.readyState === WebSocket.OPEN) socket.send("still there?");
      }, sayEveryMs);
      socket.on("open", () => {
        if (again) count.reconnected += 1;
      });
      socket.on("message", () => (count.heard += 1));
      socket.on("error", () => undefined);
      const code = await new Promise<number>((resolve) => {
        socket.once("close", resolve);
      });
      clearInterval(timer);
      if (code !== serviceRestart && !this.#stopped) count.broken += 1;
    }
  }
}

let load: Load | null = null;
for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line) as Order;
  if (order.kind === "start") {
    load = new Load(order);
    process.stdout.write("{}\n");
  } else {
    process.stdout.write(`${JSON.stringify(await load?.stop())}\n`);
    load = null;
  }
}
