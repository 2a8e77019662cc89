import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, ServerResponse, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../../common/clock.ts";
import { CellplaneError } from "../../common/errors.ts";
import type { Logger } from "../../common/log.ts";
import type { Counters } from "../admin/counters.ts";
import { fail } from "../errors.ts";
import type { AnswerLog } from "./answer-log.ts";
import { Exchange } from "./exchange.ts";
import { rawRefusal, renderRefusal } from "./refusal.ts";

/** Bytes of a request's head; more is 431. */
const maxHeadBytes = 16 * 1024;
/** Idle client connections are kept this long. */
const keepAliveMs = 75_000;
/** How often connections are looked at for the head's and the request's time-out. */
const timeoutCheckMs = 500;
/** Requests that a client may send ahead of their answers; one that sends more without reading only wants our memory. */
const maxPipelined = 64;
/** After broken HTTP the connection stays readable this long, so that the answer is not reset away. */
const brokenLingerMs = 1_000;

export interface TenantServerOptions {
  /** The request's path; what it throws is answered by the server. */
  readonly serve: (exchange: Exchange) => Promise<void>;
  readonly headTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly maxConnections: number;
  readonly counters: Counters;
  readonly answerLog: AnswerLog;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The HTTP server that tenants talk to: node's own parser, strict, with every refusal in our own words. */
export class TenantServer {
  readonly #options: TenantServerOptions;
  readonly #server: Server;
  /** The request that a connection is at. */
  readonly #current = new WeakMap<Duplex, Exchange>();
  /** Requests on a connection that wait for the answer before them. */
  readonly #pipelined = new WeakMap<Duplex, number>();
  readonly #upgraded = new Set<Duplex>();
  readonly #open = new Set<Exchange>();
  #stopping = false;

  constructor(options: TenantServerOptions) {
    this.#options = options;
    this.#server = createServer({
      insecureHTTPParser: false,
      // A missing Host is refused by the head's rules, in our own words.
      requireHostHeader: false,
      maxHeaderSize: maxHeadBytes,
      keepAliveTimeout: keepAliveMs,
      headersTimeout: options.headTimeoutMs,
      requestTimeout: options.requestTimeoutMs,
      connectionsCheckingInterval: timeoutCheckMs,
      noDelay: true,
      shouldUpgradeCallback: (request) =>
        request.method === "GET" && request.headers.upgrade?.toLowerCase() === "websocket",
    });
    this.#server.maxConnections = options.maxConnections;
    // Bounded by the head's size already; node would drop further fields silently.
    this.#server.maxHeadersCount = 0;
    this.#server.on("request", (request, response) => this.#take(request, response, null, false));
    this.#server.on("checkContinue", (request, response) => this.#take(request, response, null, true));
    this.#server.on("checkExpectation", (request: IncomingMessage, response: ServerResponse) =>
      this.#refuseExpectation(request, response),
    );
    this.#server.on("upgrade", (request, socket, head) => this.#takeUpgrade(request, socket as Socket, head));
    this.#server.on("connect", (request: IncomingMessage, socket: Duplex) => {
      this.#endRaw(socket, fail("method-not-supported", "CONNECT is not passed on."));
    });
    this.#server.on("clientError", (error: NodeJS.ErrnoException, socket) => this.#clientError(error, socket));
  }

  /** Requests and WebSockets that are open now. */
  get open(): number {
    return this.#open.size;
  }

  /** @returns the port, taken by the system where 0 was asked for. */
  async listen(host: string, port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ host, port, backlog: 1024 }, () => {
        this.#server.removeListener("error", reject);
        resolve();
      });
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** Takes no new connections, says `Connection: close`, lets what is in flight finish for `graceMs`, then cuts it off. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeIdleConnections();
    // WebSockets never end by themselves; their clients come back to another router.
    const deadline = sleep(graceMs, undefined, { ref: false });
    const idle = setInterval(() => this.#server.closeIdleConnections(), 100);
    await Promise.race([this.#drained(), deadline]);
    clearInterval(idle);
    for (const socket of this.#upgraded) socket.destroy();
    this.#server.closeAllConnections();
    await closed;
  }

  async #drained(): Promise<void> {
    while (this.#open.size > 0) await Promise.all([...this.#open].map((exchange) => exchange.finished));
  }

  #take(request: IncomingMessage, response: ServerResponse, upgradeHead: Buffer | null, awaitsContinue: boolean): void {
    const { socket } = request;
    const exchange = new Exchange({
      request,
      response,
      socket,
      upgradeHead,
      awaitsContinue,
      startedAt: this.#options.clock.monotonic(),
      stopping: () => this.#stopping,
    });
    const before = this.#current.get(socket);
    this.#current.set(socket, exchange);
    this.#open.add(exchange);
    void this.#inTurn(exchange, before).finally(() => this.#open.delete(exchange));
  }

  /**
   * Node's parser runs ahead of the answers. What was pipelined waits for the answer before it, so that order holds for effects too, and is
   * dropped when the connection ends with that answer: behind a refused request may stand what another reader takes for its body.
   */
  async #inTurn(exchange: Exchange, before: Exchange | undefined): Promise<void> {
    if (before !== undefined && this.#open.has(before)) {
      const { socket } = exchange;
      const waiting = (this.#pipelined.get(socket) ?? 0) + 1;
      this.#pipelined.set(socket, waiting);
      if (waiting > maxPipelined) socket.destroy();
      await before.finished;
      this.#pipelined.set(socket, (this.#pipelined.get(socket) ?? 1) - 1);
      if (before.closing || exchange.gone) {
        socket.destroySoon();
        return;
      }
    }
    await this.#answer(exchange);
  }

  async #answer(exchange: Exchange): Promise<void> {
    try {
      await this.#options.serve(exchange);
      if (exchange.gone) this.#options.counters.clientsGone += 1;
      this.#options.answerLog.answered(exchange);
    } catch (thrown) {
      const error =
        thrown instanceof CellplaneError
          ? thrown
          : fail("internal-error", "An unforeseen error; it is in the log under the request id.", { cause: thrown });
      this.#options.counters.refused(error.code);
      this.#options.answerLog.refused(exchange, error);
      exchange.refuse(error);
      await exchange.finished;
    }
  }

  #takeUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.once("finish", () => {
      response.detachSocket(socket);
      socket.destroySoon();
    });
    socket.on("error", (error) => this.#options.log.debug({ event: "client-connection-broke", err: error }));
    this.#upgraded.add(socket);
    socket.once("close", () => this.#upgraded.delete(socket));
    this.#take(request, response, head, false);
  }

  #refuseExpectation(request: IncomingMessage, response: ServerResponse): void {
    const refusal = renderRefusal(
      fail("expectation-failed", "Only `Expect: 100-continue` is known."),
      randomUUID(),
      request.headers.accept,
    );
    this.#options.counters.refused("expectation-failed");
    response.writeHead(refusal.status, [...refusal.fields, "connection", "close"]);
    response.end(refusal.body);
  }

  /** What node's parser or its time-outs refuse. */
  #clientError(error: NodeJS.ErrnoException, socket: Duplex): void {
    const exchange = this.#current.get(socket);
    const open = exchange !== undefined && this.#open.has(exchange);
    const refusal = refusalOf(error);
    if (refusal === null || !socket.writable) {
      socket.destroy();
      return;
    }
    if (!open) return this.#endRaw(socket, refusal);
    // The bytes belong to a later request on this connection: the answer under way comes first.
    if (exchange.received) void exchange.finished.then(() => this.#endRaw(socket, refusal));
    else exchange.breakOff(refusal, true);
  }

  #endRaw(socket: Duplex, error: CellplaneError): void {
    if (!socket.writable || socket.writableEnded) return;
    this.#options.counters.refused(error.code);
    socket.on("error", () => socket.destroy());
    socket.end(rawRefusal(renderRefusal(error, randomUUID(), undefined)), "latin1");
    socket.resume();
    const timer = setTimeout(() => socket.destroy(), brokenLingerMs);
    socket.once("close", () => clearTimeout(timer));
  }
}

/** Null where there is nobody to answer: the connection broke. */
function refusalOf(error: NodeJS.ErrnoException): CellplaneError | null {
  switch (error.code) {
    case "HPE_HEADER_OVERFLOW":
      return fail("head-too-large", `The head is longer than ${maxHeadBytes} bytes.`);
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return fail("slow-request", "The request did not arrive in time.");
    default:
      if (error.code?.startsWith("HPE_") === true)
        return fail("malformed-request", `This is not HTTP/1.1 as RFC 9112 has it (${error.code}).`);
      return null;
  }
}
