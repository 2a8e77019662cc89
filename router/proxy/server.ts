import { once } from "node:events";
import { createServer, type AddressInfo, type Server } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../../common/clock.ts";
import type { Logger } from "../../common/log.ts";
import type { Counters } from "../admin/counters.ts";
import type { TrustedPeers } from "../guard/peers.ts";
import { RequestParser } from "../wire/request-parser.ts";
import type { AnswerLog } from "./answer-log.ts";
import { ClientConnection, type ClientContext } from "./client.ts";
import type { ClientSocket } from "./client-socket.ts";
import { Connections } from "./connections.ts";
import type { Deadlines, Timed } from "./deadlines.ts";
import type { Exchange } from "./exchange.ts";

/** Idle client connections are kept this long. */
const keepAliveMs = 75_000;
/** After its last answer a connection stays readable this long, so that the answer is not reset away under a client that still sends. */
const closingMs = 5_000;
/** While stopping, how often it is looked whether all is answered. */
const stopCheckMs = 20;

export interface TenantServerOptions {
  /** The request's path; what it throws is answered by the server. */
  readonly serve: (exchange: Exchange, parsed: RequestParser) => void;
  readonly headTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly maxConnections: number;
  readonly deadlines: Deadlines;
  readonly peers: TrustedPeers;
  readonly counters: Counters;
  readonly answerLog: AnswerLog;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Where to listen. */
export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  /** Whether other processes may listen there too; the system then spreads connections over them. */
  readonly reusePort: boolean;
}

/** The HTTP server that tenants talk to, on plain sockets: docs/decisions/0031 says why. */
export class TenantServer {
  readonly #server: Server;
  readonly #connections = new Connections<ClientConnection>();
  readonly #load = { open: 0 };
  #stopping = false;
  #draining = false;

  readonly #context: ClientContext;

  constructor(options: TenantServerOptions) {
    this.#context = this.#contextOf(options);
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.take(socket, "http"));
    this.#server.maxConnections = options.maxConnections;
  }

  /** Requests and WebSockets that are open now. */
  get open(): number {
    return this.#load.open;
  }

  /** Serves a connection, whoever accepted it. */
  take(socket: ClientSocket, proto: "http" | "https"): void {
    void new ClientConnection(socket, proto, this.#context);
  }

  /** @returns the port, taken by the system where 0 was asked for. */
  async listen(options: ListenOptions): Promise<number> {
    this.#server.listen({ ...options, backlog: 1024 });
    await once(this.#server, "listening");
    return (this.#server.address() as AddressInfo).port;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Whether every answer ends its connection. Requests are served as before. */
  drain(on: boolean): void {
    this.#draining = on;
  }

  /**
   * Answers on, ending each connection with its answer, while a balancer learns that it should go elsewhere; for `ms`, or until no connection is left.
   * What is idle is not closed: its client may be sending at this moment.
   */
  async leave(ms: number): Promise<void> {
    this.#draining = true;
    const deadline = performance.now() + ms;
    while (this.#connections.size > 0 && performance.now() < deadline) await sleep(stopCheckMs);
  }

  /** Takes no new connections, says `Connection: close`, lets what is in flight finish for `graceMs`, then cuts it off. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const connection of this.#connections.all()) connection.stop();
    // WebSockets never end by themselves; their clients come back to another router.
    const deadline = performance.now() + graceMs;
    while (this.#load.open > 0 && performance.now() < deadline) await sleep(stopCheckMs);
    for (const connection of this.#connections.all()) {
      if (this.#load.open > 0) connection.socket.destroy();
      else connection.socket.destroySoon();
    }
    await closed;
  }

  #contextOf(options: TenantServerOptions): ClientContext {
    const { deadlines } = options;
    const tooLong = (item: Timed) => (item as ClientConnection).timedOut();
    return {
      serve: options.serve,
      parser: new RequestParser(),
      deadlines: {
        all: deadlines,
        head: deadlines.list(options.headTimeoutMs, tooLong),
        request: deadlines.list(options.requestTimeoutMs, tooLong),
        idle: deadlines.list(keepAliveMs, tooLong),
        closing: deadlines.list(closingMs, tooLong),
      },
      connections: this.#connections,
      load: this.#load,
      peers: options.peers,
      counters: options.counters,
      answerLog: options.answerLog,
      clock: options.clock,
      log: options.log,
      stopping: () => this.#stopping || this.#draining,
    };
  }
}
