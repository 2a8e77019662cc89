import type { Clock } from "../../common/clock.ts";
import type { CellplaneError } from "../../common/errors.ts";
import type { Logger } from "../../common/log.ts";
import type { Counters } from "../admin/counters.ts";
import type { TrustedPeers } from "../guard/peers.ts";
import { forwardedLines } from "../guard/fields.ts";
import type { RequestParser } from "../wire/request-parser.ts";
import type { AnswerLog } from "./answer-log.ts";
import type { ClientSocket } from "./client-socket.ts";
import type { Connections, Listed } from "./connections.ts";
import type { RequestBody } from "./body.ts";
import { fail } from "../errors.ts";
import { Timed, type DeadlineList, type Deadlines } from "./deadlines.ts";
import { Exchange, type ClientSide } from "./exchange.ts";
import type { Upstream } from "./upstream.ts";

// A client's connection.
//   idle      nothing of a request has come                → head, exchange, closed (idle too long)
//   head      part of a head has come                      → exchange (it is whole), closing (too slow, refused)
//   exchange  a request is being answered; what comes is its body, or waits → idle, rest, closing, joined (101), closed
//   rest      answered, but its body still comes; it is thrown away         → idle, closing (too much, too slow)
//   closing   the last answer is out; what comes is thrown away             → closed
//   joined    bytes pass both ways uninterpreted           → closed
//   closed
type State = "idle" | "head" | "exchange" | "rest" | "closing" | "joined" | "closed";

/** Bytes of requests that a client may send ahead of their answers; then its connection is not read for a while. */
const maxAheadBytes = 64 * 1024;
/** What may still come of a body that nobody wants is read and thrown away up to here, so that its connection can be used again. */
const restBytes = 1024 * 1024;
/** So much is read and thrown away behind a last answer: closing at once would reset the connection under a client that is still sending. */
const closingBytes = 256 * 1024 * 1024;

/** What clients' connections may wait for. */
interface ClientDeadlines {
  readonly all: Deadlines;
  readonly head: DeadlineList;
  readonly request: DeadlineList;
  readonly idle: DeadlineList;
  readonly closing: DeadlineList;
}

/** What all connections of clients share. */
export interface ClientContext {
  /** The request's path; what it throws is answered with an error. */
  readonly serve: (exchange: Exchange, parsed: RequestParser) => void;
  readonly parser: RequestParser;
  readonly deadlines: ClientDeadlines;
  readonly connections: Connections<ClientConnection>;
  /**
   * Requests and WebSockets that are open now. A number, for a Set that takes and gives thousands a second keeps its dead alive: each table that it
   * outgrows stays linked to the next, and once one of them is old all are (measured: half of the garbage survived).
   */
  readonly load: { open: number };
  readonly peers: TrustedPeers;
  readonly counters: Counters;
  readonly answerLog: AnswerLog;
  readonly clock: Clock;
  readonly log: Logger;
  /** Whether the router stops: answers say `Connection: close`. */
  readonly stopping: () => boolean;
}

export class ClientConnection extends Timed implements ClientSide {
  readonly socket: ClientSocket;
  /** Among all connections. */
  readonly place: Listed<ClientConnection> = { before: null, after: null };
  readonly peer: string;
  readonly peerTrusted: boolean;
  readonly proto: "http" | "https";
  readonly #context: ClientContext;
  #state: State = "idle";
  #exchange: Exchange | null = null;
  #joined: Upstream | null = null;
  /** The body of an answered request that is still coming. */
  #rest: RequestBody | null = null;
  /** What has come and has not been looked at. */
  #ahead: Buffer | null = null;
  #headSince = 0;
  #reading = true;
  #halfClosed = false;
  #thrownAway = 0;
  #advancing = false;
  #forwardedLines: Buffer | null = null;

  constructor(socket: ClientSocket, proto: "http" | "https", context: ClientContext) {
    super();
    this.proto = proto;
    this.socket = socket;
    this.#context = context;
    this.peer = plainAddress(socket.remoteAddress ?? "");
    this.peerTrusted = context.peers.has(this.peer);
    socket.on("data", (chunk: Buffer) => {
      this.#take(chunk);
      // Asks for more at once; else the stream would do it in a turn of its own, which costs more than the asking.
      if (this.#reading) socket.read(0);
    });
    socket.on("end", () => this.#ended());
    socket.on("drain", () => this.#drained());
    socket.on("error", (error) => context.log.debug({ event: "client-connection-broke", err: error }));
    socket.on("close", () => this.#closed());
    context.connections.add(this);
    context.deadlines.head.arm(this);
  }

  get forwardedLines(): Buffer {
    this.#forwardedLines ??= forwardedLines(this.peer, this.proto);
    return this.#forwardedLines;
  }
  get stopping(): boolean {
    return this.#context.stopping();
  }
  get halfClosed(): boolean {
    return this.#halfClosed && this.#ahead === null;
  }

  /** Gives a body what came with its head. @throws CellplaneError malformed-request */
  feed(body: RequestBody): void {
    const bytes = this.#ahead;
    if (bytes === null || body.done) return;
    this.#ahead = null;
    const at = body.take(bytes, 0);
    if (at < bytes.length) this.#ahead = bytes.subarray(at);
  }

  /** The exchange's answer is out. */
  answered(exchange: Exchange): void {
    if (this.#exchange !== exchange) return;
    this.#context.answerLog.answered(exchange);
    this.#leaveExchange();
    if (this.#state === "closed") return;
    if (exchange.closing && this.#isOver(exchange)) return this.#hangUp();
    if (this.#state === "joined" || exchange.closing) return this.#close();
    if (exchange.body.done) {
      this.#state = "idle";
      this.#context.deadlines.idle.arm(this);
      if (this.#ahead !== null) this.#advance();
      else if (this.#halfClosed) this.#close();
    } else {
      this.#state = "rest";
      if (this.list === null) this.#context.deadlines.request.arm(this, this.#headSince);
      exchange.body.forget(restBytes);
      this.#rest = exchange.body;
    }
    this.#updateReading();
  }

  /** The router's own answer, for counters and log. */
  refused(exchange: Exchange, error: CellplaneError): void {
    this.#context.counters.refused(error.code);
    this.#context.answerLog.refused(exchange, error);
  }

  join(upstream: Upstream): void {
    this.#state = "joined";
    this.#joined = upstream;
    this.disarm();
    this.socket.setKeepAlive(true);
    const early = this.#ahead;
    this.#ahead = null;
    if (early !== null) upstream.send(early);
    if (this.#halfClosed) upstream.socket.end();
    this.#updateReading();
  }

  /** The sink of the body, or of what is joined, takes more. */
  updateReading(): void {
    this.#updateReading();
  }

  /** Waited too long, for whatever it was waiting for. */
  timedOut(): void {
    const slow = () => fail("slow-request", "The request did not arrive in time.");
    if (this.#state === "head") this.#refuse(slow());
    else if (this.#state === "exchange") this.#exchange?.breakOff(slow());
    else this.socket.destroy();
  }

  /** The router stops: closes what is idle; what is being answered ends with its answer. */
  stop(): void {
    if (this.#state === "idle" || this.#state === "head" || this.#state === "rest") this.socket.destroySoon();
  }

  #take(chunk: Buffer): void {
    switch (this.#state) {
      case "idle":
      case "head":
        this.#ahead = this.#ahead === null ? chunk : Buffer.concat([this.#ahead, chunk]);
        this.#advance();
        break;
      case "exchange":
      case "rest":
        this.#takeBody(chunk);
        break;
      case "joined":
        this.#joined?.send(chunk);
        break;
      case "closing":
        this.#thrownAway += chunk.length;
        if (this.#thrownAway > closingBytes) this.socket.destroy();
        return;
      case "closed":
        return;
      default:
        this.#state satisfies never;
    }
    this.#updateReading();
  }

  #takeBody(chunk: Buffer): void {
    const body = this.#rest ?? this.#exchange?.body;
    let at = 0;
    if (body !== undefined && !body.done) {
      try {
        at = body.take(chunk, 0);
      } catch (error) {
        if (this.#rest !== null) this.#close();
        else this.#exchange?.breakOff(error as CellplaneError);
        return;
      }
      if (body.done) this.#bodyDone();
    }
    if (at === chunk.length) return;
    const more = at === 0 ? chunk : chunk.subarray(at);
    this.#ahead = this.#ahead === null ? more : Buffer.concat([this.#ahead, more]);
    if (this.#state === "idle") this.#advance();
  }

  #bodyDone(): void {
    if (this.#rest === null) {
      this.disarm();
      return;
    }
    this.#rest = null;
    this.#state = "idle";
    this.#context.deadlines.idle.arm(this);
  }

  /** Answers what has come, one request after another. */
  #advance(): void {
    if (this.#advancing) return;
    this.#advancing = true;
    while (
      this.#ahead !== null &&
      (this.#state === "idle" || this.#state === "head") &&
      !this.socket.writableNeedDrain
    ) {
      if (!this.#begin(this.#ahead)) break;
    }
    this.#advancing = false;
  }

  /** @returns whether a whole head was there. */
  #begin(bytes: Buffer): boolean {
    const { parser, deadlines } = this.#context;
    if (this.#state === "idle") this.#headSince = deadlines.all.now;
    let after: number;
    try {
      after = parser.parse(bytes, 0, bytes.length);
    } catch (error) {
      this.#ahead = null;
      this.#refuse(error as CellplaneError);
      return true;
    }
    if (after < 0) {
      if (this.#state === "idle") deadlines.head.arm(this);
      this.#state = "head";
      if (this.#halfClosed) this.#close();
      return false;
    }
    this.#ahead = after < bytes.length ? bytes.subarray(after) : null;
    this.disarm();
    this.#serve(new Exchange(this, parser.method, this.#context.clock.monotonic()));
    return true;
  }

  #serve(exchange: Exchange): void {
    this.#state = "exchange";
    this.#exchange = exchange;
    this.#context.load.open += 1;
    try {
      this.#context.serve(exchange, this.#context.parser);
    } catch (error) {
      exchange.fail(error);
    }
    if (this.#exchange === exchange && !exchange.received) this.#context.deadlines.request.arm(this, this.#headSince);
  }

  /** A head that is no HTTP, or came too slowly: one answer, and the end. */
  #refuse(error: CellplaneError): void {
    const exchange = new Exchange(this, "", this.#context.clock.monotonic());
    exchange.closing = true;
    this.#state = "exchange";
    this.#exchange = exchange;
    this.#context.load.open += 1;
    exchange.fail(error);
  }

  #leaveExchange(): void {
    if (this.#exchange === null) return;
    this.#context.load.open -= 1;
    this.#exchange = null;
  }

  /** The last answer is out. What the client still sends is thrown away, until it ends its side or has had time enough. */
  #close(): void {
    if (this.#state === "closed") return;
    this.#state = "closing";
    this.#ahead = null;
    this.#rest = null;
    this.socket.end();
    if (this.#halfClosed) this.disarm();
    else this.#context.deadlines.closing.arm(this);
    this.#updateReading();
  }

  /** Whether nothing of the client is to come, for it said so itself (RFC 9112, section 9.6), and the answer is with the kernel. */
  #isOver(exchange: Exchange): boolean {
    return exchange.isLast && this.proto === "http" && this.#ahead === null && this.socket.writableLength === 0;
  }

  /** Closes without waiting for the client to do so, which costs two system calls less. */
  #hangUp(): void {
    this.#state = "closing";
    this.disarm();
    this.socket.destroy();
  }

  #ended(): void {
    this.#halfClosed = true;
    switch (this.#state) {
      case "exchange":
        if (this.#exchange?.halfClose() !== true) this.socket.destroy();
        return;
      case "joined":
        this.#joined?.socket.end();
        return;
      case "closing":
        return;
      default:
        this.#close();
    }
  }

  #drained(): void {
    this.#exchange?.carrier?.resume();
    if (this.#ahead !== null) this.#advance();
    this.#updateReading();
  }

  #closed(): void {
    this.disarm();
    this.#state = "closed";
    this.#ahead = null;
    const exchange = this.#exchange;
    this.#context.connections.remove(this);
    if (exchange === null) return;
    exchange.leave();
    if (exchange.gone) {
      this.#context.counters.clientsGone += 1;
      this.#context.answerLog.answered(exchange);
    }
    this.#leaveExchange();
  }

  #updateReading(): void {
    const wanted = this.#wanted();
    if (wanted === this.#reading) return;
    this.#reading = wanted;
    if (wanted) this.socket.resume();
    else this.socket.pause();
  }

  #wanted(): boolean {
    switch (this.#state) {
      case "exchange": {
        const exchange = this.#exchange;
        if (exchange !== null && !exchange.received) return exchange.body.wanted;
        return (this.#ahead?.length ?? 0) < maxAheadBytes;
      }
      case "joined":
        return this.#joined?.socket.writableNeedDrain !== true;
      default:
        return (this.#ahead?.length ?? 0) < maxAheadBytes;
    }
  }
}

/** An IPv4 address that came over an IPv6 socket, as IPv4. */
function plainAddress(address: string): string {
  return address.startsWith("::ffff:") ? address.slice(7) : address;
}
