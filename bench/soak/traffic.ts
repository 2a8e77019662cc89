/**
 * Clients of all kinds, the ill-mannered too, for as long as they are told: one line of JSON in (`{port, seconds}`), one out (`Result`).
 */
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { baseDomain, cellOf, hostOf, keyOf, tenantCount } from "./fleet.ts";

export interface Order {
  readonly port: number;
  readonly seconds: number;
}
export interface Result {
  readonly sent: number;
  /** Answers that were not what they should be. */
  readonly wrong: number;
  readonly example: string | null;
  /** Requests that met a cell's connections just breaking: 502, 503, or cut off. */
  readonly unlucky: number;
  /** By kind of client. */
  readonly kinds: Readonly<Record<string, number>>;
}

const clientPatienceMs = 30_000;
const mayHappen = new Set([502, 503]);

class Run {
  readonly #port: number;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });
  readonly kinds: Record<string, number> = {};
  sent = 0;
  wrong = 0;
  unlucky = 0;
  example: string | null = null;
  #over = false;
  #next = 0;

  constructor(port: number) {
    this.#port = port;
  }

  async run(seconds: number): Promise<Result> {
    const clients = [
      ...this.#several(16, "get", (tenant) => this.#ask(tenant, { agent: this.#agent })),
      ...this.#several(4, "post", (tenant) =>
        this.#ask(tenant, { agent: this.#agent, body: Buffer.alloc(1_000, "b") }),
      ),
      ...this.#several(2, "post 64 KiB", (tenant) =>
        this.#ask(tenant, { agent: this.#agent, body: Buffer.alloc(65_536, "b") }),
      ),
      ...this.#several(1, "post 1 MiB in chunks", (tenant) =>
        this.#ask(tenant, { agent: this.#agent, body: Buffer.alloc(1_048_576, "b"), chunked: true }),
      ),
      ...this.#several(2, "new connection", (tenant) => this.#ask(tenant, { agent: false })),
      ...this.#several(2, "late", (tenant) => this.#ask(tenant, { agent: this.#agent, path: "/late" })),
      ...this.#several(1, "no such host, no such key", () => this.#refused()),
      ...this.#several(2, "events, left", (tenant) => this.#leave(tenant, "/events", 100)),
      ...this.#several(2, "gone before the answer", (tenant) => this.#leave(tenant, "/late", 10)),
      ...this.#several(1, "slow reader", (tenant) => this.#readSlowly(tenant)),
      ...this.#several(1, "gone in the body", (tenant) => this.#goneInBody(tenant)),
      ...this.#several(2, "websocket", (tenant) => this.#webSocket(tenant)),
      ...this.#several(1, "malformed", () => this.#malformed()),
    ];
    await sleep(seconds * 1_000);
    this.#over = true;
    await Promise.all(clients);
    this.#agent.destroy();
    const { sent, wrong, example, unlucky, kinds } = this;
    return { sent, wrong, example, unlucky, kinds };
  }

  /** @param one answers what is wrong, or null; undefined for bad luck. */
  #several(count: number, kind: string, one: (tenant: number) => Promise<string | null | undefined>): Promise<void>[] {
    return Array.from({ length: count }, async () => {
      while (!this.#over) {
        this.#next = (this.#next + 7919) % tenantCount;
        this.sent += 1;
        this.kinds[kind] = (this.kinds[kind] ?? 0) + 1;
        const wrong = await one(this.#next);
        if (wrong === undefined) this.unlucky += 1;
        else if (wrong !== null) {
          this.wrong += 1;
          this.example ??= `${kind}: ${wrong}`;
        }
      }
    });
  }

  async #ask(
    tenant: number,
    options: { agent: Agent | false; path?: string; body?: Buffer; chunked?: boolean },
  ): Promise<string | null | undefined> {
    const { body, path = "/", chunked = false, agent } = options;
    const headers: Record<string, string | number> = { host: hostOf(tenant), authorization: `Bearer ${keyOf(tenant)}` };
    if (body !== undefined && !chunked) headers["content-length"] = body.length;
    const answer = await this.#exchange({ agent, path, method: body === undefined ? "GET" : "POST", headers }, body);
    if (answer === null || mayHappen.has(answer.status)) return undefined;
    const expected = { cell: cellOf(tenant), host: hostOf(tenant), assertion: true, bytes: body?.length ?? 0 };
    return answer.text === JSON.stringify(expected) ? null : `${answer.status} ${answer.text.slice(0, 200)}`;
  }

  async #refused(): Promise<string | null | undefined> {
    const unknown = await this.#exchange({ agent: this.#agent, headers: { host: `nobody.${baseDomain}` } });
    if (unknown?.status !== 404) return `an unknown host: ${unknown?.status}`;
    const headers = { host: hostOf(1), authorization: "Bearer cpk_wrong" };
    const key = await this.#exchange({ agent: this.#agent, headers });
    return key?.status === 401 ? null : `a wrong key: ${key?.status}`;
  }

  /** Null where the connection broke. */
  #exchange(
    options: { agent: Agent | false; path?: string; method?: string; headers: Record<string, string | number> },
    body?: Buffer,
  ): Promise<{ readonly status: number; readonly text: string } | null> {
    return new Promise((resolve) => {
      const asking = httpRequest({ host: "127.0.0.1", port: this.#port, timeout: clientPatienceMs, ...options });
      asking.on("error", () => resolve(null));
      asking.on("timeout", () => asking.destroy());
      asking.on("response", (response) => {
        let text = "";
        response.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
        response.on("error", () => resolve(null));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
      });
      asking.end(body);
    });
  }

  /** Asks, and goes away in the middle. */
  async #leave(tenant: number, path: string, afterMs: number): Promise<string | null | undefined> {
    const asking = httpRequest({
      host: "127.0.0.1",
      port: this.#port,
      path,
      headers: { host: hostOf(tenant) },
      agent: false,
    });
    asking.on("error", () => undefined);
    asking.on("response", (response) => response.on("error", () => undefined).resume());
    asking.end();
    await sleep(afterMs);
    asking.destroy();
    return null;
  }

  async #readSlowly(tenant: number): Promise<string | null | undefined> {
    const response = await new Promise<IncomingMessage | null>((resolve) => {
      const asking = httpRequest({
        host: "127.0.0.1",
        port: this.#port,
        path: "/large",
        headers: { host: hostOf(tenant) },
        agent: false,
      });
      asking.on("error", () => resolve(null));
      asking.on("response", resolve);
      asking.end();
    });
    if (response === null || mayHappen.has(response.statusCode ?? 0)) {
      response?.resume();
      return undefined;
    }
    let bytes = 0;
    try {
      for await (const chunk of response) {
        bytes += (chunk as Buffer).length;
        await sleep(5);
      }
    } catch {
      // Cut off: the cell broke its connections.
      return undefined;
    }
    return bytes === 16 * 16 * 1024 ? null : `${bytes} bytes`;
  }

  async #goneInBody(tenant: number): Promise<string | null | undefined> {
    const socket = this.#connect();
    socket.write(`POST / HTTP/1.1\r\nhost: ${hostOf(tenant)}\r\ncontent-length: 100000\r\n\r\n`);
    socket.write(Buffer.alloc(20_000, "g"));
    await sleep(20);
    socket.destroy();
    return null;
  }

  async #webSocket(tenant: number): Promise<string | null | undefined> {
    const socket = this.#connect();
    const got = collect(socket);
    socket.write(
      `GET /ws HTTP/1.1\r\nhost: ${hostOf(tenant)}\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: c29ha3NvYWtzb2Frc29haw==\r\n\r\n`,
    );
    const opened = await got.until((text) => text.includes("\r\n\r\n"));
    if (!opened.startsWith("HTTP/1.1 101 ")) {
      socket.destroy();
      return opened === "" || /^HTTP\/1\.1 50[23] /.test(opened) ? undefined : opened.slice(0, 100);
    }
    for (let n = 0; n < 10; n += 1) {
      socket.write(`message ${n};`);
      const text = await got.until((all) => all.includes(`message ${n};`));
      if (!text.includes(`message ${n};`)) return undefined;
      await sleep(10);
    }
    socket.destroy();
    return null;
  }

  async #malformed(): Promise<string | null | undefined> {
    const socket = this.#connect();
    const got = collect(socket);
    socket.write(
      `POST / HTTP/1.1\r\nhost: ${hostOf(1)}\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    );
    const text = await got.until(() => false);
    return text.startsWith("HTTP/1.1 400 ") ? null : text.slice(0, 100);
  }

  #connect(): Socket {
    const socket = connect(this.#port, "127.0.0.1");
    socket.setTimeout(clientPatienceMs, () => socket.destroy());
    socket.on("error", () => undefined);
    return socket;
  }
}

/** What comes on a socket; `until` gives it when it fits, or when no more comes. */
function collect(socket: Socket): { until(fits: (text: string) => boolean): Promise<string> } {
  let text = "";
  let closed = false;
  let wake: () => void = () => undefined;
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
    wake();
  });
  socket.on("close", () => {
    closed = true;
    wake();
  });
  return {
    async until(fits) {
      while (!closed && !fits(text))
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      return text;
    },
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { port, seconds } = JSON.parse(line) as Order;
  process.stdout.write(`${JSON.stringify(await new Run(port).run(seconds))}\n`);
}
