import { STATUS_CODES } from "node:http";
import type { Span } from "@opentelemetry/api";
import { CellplaneError } from "../../common/errors.ts";
import { fail } from "../errors.ts";
import { linesToClient, type FromCell, type Sender } from "../guard/fields.ts";
import type { CheckedHead } from "../guard/head.ts";
import { Ids } from "../guard/trace.ts";
import type { AnswerHead } from "../wire/answer-head.ts";
import { RequestBody } from "./body.ts";
import { beginChunk, endChunk, endOfChunks } from "./chunks.ts";
import type { ClientSocket } from "./client-socket.ts";
import { dateLine } from "./date-line.ts";
import { toClients } from "./gathers.ts";
import { renderRefusal } from "./refusal.ts";
import { endSpan } from "./spans.ts";
import type { Upstream } from "./upstream.ts";

/** A refused body that is announced up to this size is read to its end, so that the connection can be used again. */
const reusableBytes = 1024 * 1024;

/** Who carries the request, as far as its client's side has to reach it. */
export interface Carrier {
  /** The client went away, or its request came to a bad end: nothing of it is needed any more. */
  abandon(): void;
  /** The client takes more of the answer. */
  resume(): void;
}

/** The connection that an exchange came on. */
export interface ClientSide extends Sender {
  readonly socket: ClientSocket;
  /** Whether the router stops. */
  readonly stopping: boolean;
  /** Whether the client has ended its side, and nothing that it sent before waits. It may still read. */
  readonly halfClosed: boolean;
  /** Gives a body what came with its head. @throws CellplaneError malformed-request */
  feed(body: RequestBody): void;
  /** More, or no more, of the request is wanted now. */
  updateReading(): void;
  /** The router's own answer, for counters and log. */
  refused(exchange: Exchange, error: CellplaneError): void;
  /** The answer is out. */
  answered(exchange: Exchange): void;
  join(upstream: Upstream): void;
}

const newLine = Buffer.from("\r\n");
const chunkedLine = Buffer.from("transfer-encoding: chunked\r\n");
const closeLine = Buffer.from("connection: close\r\n");
const continueLines = Buffer.from("HTTP/1.1 100 Continue\r\n\r\n");
const webSocketLines = Buffer.from("connection: Upgrade\r\nupgrade: websocket\r\n\r\n");

/** One request of a client, and its answer, on the client's side. */
export class Exchange {
  readonly connection: ClientSide;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  /** Empty where the head was refused. */
  readonly method: string;
  /** Of the answer; 0 until it begins. */
  status = 0;
  /** Whether the answer is the router's own. */
  refused = false;
  carrier: Carrier | null = null;
  /** Of a sampled request. */
  span: Span | null = null;
  /** Whether the connection ends with this answer; what was pipelined behind it is never looked at. */
  closing = false;
  #head: CheckedHead | null = null;
  #ids: Ids | null = null;
  #body: RequestBody | null = null;
  #awaitsContinue = false;
  #gone = false;
  #finished = false;
  #chunked = false;
  #eventStream = false;

  constructor(connection: ClientSide, method: string, startedAt: number) {
    this.connection = connection;
    this.method = method;
    this.startedAt = startedAt;
  }

  /** Null where the head was refused. */
  get checked(): CheckedHead | null {
    return this.#head;
  }
  get head(): CheckedHead {
    if (this.#head === null) throw new TypeError("the head has not been checked yet");
    return this.#head;
  }
  get body(): RequestBody {
    if (this.#body === null) throw new TypeError("the head has not been checked yet");
    return this.#body;
  }
  get ids(): Ids {
    this.#ids ??= new Ids(undefined, undefined);
    return this.#ids;
  }
  /** Whether all of the request has come, as far as it is known. */
  get received(): boolean {
    return this.#body !== null && this.#body.done;
  }
  /** Whether the client said that this is its last request on the connection, and all of it has come. */
  get isLast(): boolean {
    return this.#head !== null && !this.#head.keepAlive && this.received;
  }
  get gone(): boolean {
    return this.#gone;
  }
  get finished(): boolean {
    return this.#finished;
  }

  /** Takes the checked head, and what has come of the body. @throws CellplaneError malformed-request */
  expectBody(head: CheckedHead): void {
    this.#head = head;
    this.#ids = new Ids(head.requestId, head.traceparent);
    this.closing = !head.keepAlive || head.websocket;
    this.#awaitsContinue = head.awaitsContinue;
    const body = new RequestBody(head.framing);
    this.connection.feed(body);
    this.#body = body;
  }

  /** Tells a client that asked (`Expect: 100-continue`) to send its body, unless it does so already. */
  sendContinue(): void {
    if (!this.#awaitsContinue) return;
    this.#awaitsContinue = false;
    if (!this.body.done) this.connection.socket.write(continueLines);
  }

  /** Passes an answer on that is not the last (RFC 9110, section 15.2). HTTP/1.0 knows none. */
  relayInterim(head: AnswerHead): void {
    if (head.status === 100 || this.head.http10) return;
    toClients.clear();
    linesToClient(head, false, toClients);
    toClients.all(newLine);
    this.flush();
  }

  /** The answer's head goes out with the next flush, which must come before anything else is read. */
  relayHead(head: AnswerHead, from: FromCell): void {
    const { framing } = head;
    const unknownLength = framing.kind === "chunked" || framing.kind === "until-close";
    this.#chunked = unknownLength && !this.head.http10;
    this.#eventStream = from.eventStream;
    this.status = head.status;
    if (this.connection.stopping || this.connection.halfClosed) this.closing = true;
    toClients.clear();
    linesToClient(head, head.status !== 204, toClients);
    this.ids.requestLine(toClients);
    if (!from.dated) toClients.text(dateLine());
    if (this.#chunked) toClients.all(chunkedLine);
    if (this.closing) toClients.all(closeLine);
    toClients.all(newLine);
    if (from.eventStream && this.connection.halfClosed) this.connection.socket.destroy();
  }

  /** @param bytes lent: they are copied. */
  relayPiece(bytes: Buffer, from: number, to: number): void {
    if (this.#chunked) beginChunk(to - from, toClients);
    toClients.run(bytes, from, to);
    if (this.#chunked) endChunk(toClients);
  }

  /** Sends what has gathered. @returns whether the client takes more now. */
  flush(): boolean {
    return toClients.sendTo(this.connection.socket);
  }

  relayEnd(trailers: string): void {
    if (this.#chunked) endOfChunks(trailers, toClients);
    this.flush();
    this.#finish();
  }

  /** The answer broke off: it must not look whole when it is not. */
  cutOff(): void {
    this.#finished = true;
    if (this.span !== null) endSpan(this.span, 0);
    const { socket } = this.connection;
    // Without framing of its own only a reset tells a broken answer from a whole one.
    if (this.head.http10) socket.resetAndDestroy();
    else socket.destroy();
  }

  /** Joins the client to a cell that agreed on WebSocket, until either closes. */
  join(upstream: Upstream, head: AnswerHead): void {
    this.status = 101;
    this.closing = true;
    toClients.clear();
    linesToClient(head, false, toClients);
    this.ids.requestLine(toClients);
    toClients.all(webSocketLines);
    this.flush();
    this.connection.join(upstream);
  }

  /** The joined connection is over. */
  joinEnded(): void {
    this.#finish();
  }

  /** The request came to a bad end while it was being carried: too large, too slow, broken in the middle. */
  breakOff(error: CellplaneError): void {
    if (this.#finished) return;
    this.closing = true;
    this.carrier?.abandon();
    if (this.status === 0) this.fail(error);
    else this.connection.socket.destroy();
  }

  /** Answers with an error of the router's own. */
  fail(thrown: unknown): void {
    if (this.#finished || this.#gone) return;
    const error =
      thrown instanceof CellplaneError
        ? thrown
        : fail("internal-error", "An unforeseen error; it is in the log under the request id.", { cause: thrown });
    if (!this.#reusable() || this.connection.stopping || this.connection.halfClosed) this.closing = true;
    const refusal = renderRefusal(error, this.ids.request, this.#head?.accept);
    this.status = refusal.status;
    this.refused = true;
    this.connection.refused(this, error);
    const closing = this.closing ? "connection: close\r\n" : "";
    const body = this.method === "HEAD" ? "" : refusal.body;
    this.connection.socket.write(
      Buffer.from(
        `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status] ?? "Error"}\r\n${refusal.lines}${dateLine()}${closing}\r\n${body}`,
      ),
    );
    this.#finish();
  }

  /** The client is there no more. */
  leave(): void {
    if (this.#finished) return;
    this.#gone = true;
    this.#finished = true;
    if (this.span !== null) endSpan(this.span, 0);
    this.carrier?.abandon();
  }

  /** The client has sent all that it will ever send. @returns whether it may still want the answer. */
  halfClose(): boolean {
    return this.received && !this.#eventStream;
  }

  /** Whether the connection can go on after a refusal: all has come, or the rest is small and on its way. */
  #reusable(): boolean {
    if (this.#body === null || this.closing) return false;
    return this.#body.done || (!this.#awaitsContinue && this.#body.left <= reusableBytes);
  }

  #finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    if (this.span !== null) endSpan(this.span, this.status);
    this.connection.answered(this);
  }
}
