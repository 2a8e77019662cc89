import type { ClientRequest, IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { CellplaneError } from "../../common/errors.ts";
import type { CheckedHead, RequestHead } from "../guard/head.ts";
import { onlyField, requestIdOf } from "../guard/trace.ts";
import { RequestBody } from "./body.ts";
import { renderRefusal } from "./refusal.ts";

/** A refusal stays readable this long for a client that is still sending; closing at once would reset the connection under it. */
const lingerMs = 5_000;
/** After broken HTTP nothing more can be understood; only the sending is waited for. */
const brokenLingerMs = 1_000;
/** While lingering, at most so much is read and thrown away. */
const lingerBytes = 256 * 1024 * 1024;
/** A refused body that is announced up to this size is read to its end, so that the connection can be used again. */
const reusableBytes = 1024 * 1024;

export interface ExchangeOptions {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly socket: Socket;
  /** First bytes behind the head of an upgrade; null where the client did not ask for one. */
  readonly upgradeHead: Buffer | null;
  readonly awaitsContinue: boolean;
  readonly startedAt: number;
  /** Whether connections are being closed because the router stops. */
  readonly stopping: () => boolean;
}

/** One request of a client and its answer, on node:http. */
export class Exchange {
  readonly id: string;
  readonly head: RequestHead;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  readonly response: ServerResponse;
  readonly socket: Socket;
  readonly upgradeHead: Buffer | null;
  /** Resolves when the answer is out, or the client gone. */
  readonly finished: Promise<void>;
  readonly #request: IncomingMessage;
  readonly #stopping: () => boolean;
  #awaitsContinue: boolean;
  #body: RequestBody | null = null;
  #upstream: ClientRequest | null = null;
  #onGone: (() => void) | null = null;
  #gone = false;
  #failure: CellplaneError | null = null;
  #parserBroke = false;
  #closing = false;

  constructor(options: ExchangeOptions) {
    const { request, response, socket } = options;
    this.#request = request;
    this.response = response;
    this.socket = socket;
    this.upgradeHead = options.upgradeHead;
    this.startedAt = options.startedAt;
    this.#stopping = options.stopping;
    this.#awaitsContinue = options.awaitsContinue;
    this.head = {
      method: request.method ?? "",
      target: request.url ?? "",
      version: request.httpVersion,
      fields: request.rawHeaders,
      peer: plainAddress(socket.remoteAddress ?? ""),
      secure: "encrypted" in socket,
    };
    this.id = requestIdOf(onlyField(this.head.fields, "x-request-id"));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.finished = promise;
    const ended = () => {
      if (!response.writableFinished) this.#leave();
      resolve();
    };
    if (options.upgradeHead === null) response.once("close", ended);
    else socket.once("close", ended);
  }

  /** Whether the client went away before its answer was out. */
  get gone(): boolean {
    return this.#gone;
  }
  /** Why the request cannot be carried on though its client is there: too large, too slow, broken in the middle. */
  get failure(): CellplaneError | null {
    return this.#failure;
  }
  get body(): RequestBody {
    if (this.#body === null) throw new TypeError("the head has not been checked yet");
    return this.#body;
  }
  /** Whether the whole request has come; an error of the parser then concerns a later one. */
  get received(): boolean {
    return this.#request.complete;
  }
  /** Whether the connection ends with this answer; what was pipelined behind it is never looked at. */
  get closing(): boolean {
    return this.#closing;
  }

  /** Takes the body as the checked head announces it. */
  expectBody(head: CheckedHead): void {
    this.#body = new RequestBody(this.#request, head.chunked || (head.contentLength ?? 0) > 0);
  }

  /** Tells a client that asked (`Expect: 100-continue`) to send its body. */
  sendContinue(): void {
    if (!this.#awaitsContinue) return;
    this.#awaitsContinue = false;
    this.response.writeContinue();
  }

  /** What is under way at a cell for this request; destroyed when the client goes away. */
  underWay(request: ClientRequest): void {
    this.#upstream = request;
    if (this.#gone || this.#failure !== null) request.destroy();
  }

  /** Calls back once if the client goes away; the last callback given counts. */
  whenGone(callback: () => void): void {
    this.#onGone = callback;
    if (this.#gone) callback();
  }

  /** The request came to a bad end while it was being carried. @param parserBroke whether nothing more can be read from the connection. */
  breakOff(error: CellplaneError, parserBroke: boolean): void {
    this.#failure ??= error;
    this.#parserBroke ||= parserBroke;
    this.#upstream?.destroy();
    this.#onGone?.();
    if (this.response.headersSent) this.socket.destroy();
  }

  /** Fields that every answer of this exchange ends with. @param close whether the connection ends with it in any case. */
  closingFields(close = false): string[] {
    this.#closing ||= close || this.#stopping() || this.#failure !== null;
    return this.#closing ? ["connection", "close"] : [];
  }

  /** Answers with an error of the router's own, so that it reaches a client that is still sending. */
  refuse(error: CellplaneError): void {
    if (this.#gone) return;
    if (this.response.headersSent) {
      this.socket.destroy();
      return;
    }
    const refusal = renderRefusal(error, this.id, onlyField(this.head.fields, "accept"));
    const linger = !this.#reusable();
    this.response.writeHead(refusal.status, [...refusal.fields, ...this.closingFields(linger)]);
    if (!linger) {
      this.#body?.dump();
      this.response.end(refusal.body);
      return;
    }
    this.response.write(refusal.body);
    this.#linger();
  }

  /** Whether the connection can go on after a refusal: all has come, or the rest is small and on its way. */
  #reusable(): boolean {
    if (this.#failure !== null || this.#body === null) return false;
    if (this.#body.done) return true;
    if (this.#awaitsContinue) return false;
    const announced = onlyField(this.head.fields, "content-length");
    return announced !== undefined && Number(announced) <= reusableBytes;
  }

  /** Keeps reading until the client has sent all, or has had time enough to see the answer; then closes. */
  #linger(): void {
    const end = () => {
      clearTimeout(timer);
      this.response.end();
    };
    const timer = setTimeout(end, this.#parserBroke || this.#body === null ? brokenLingerMs : lingerMs);
    this.response.once("close", () => clearTimeout(timer));
    if (this.#parserBroke) return;
    const body = this.#body ?? new RequestBody(this.#request, true);
    body.dump(lingerBytes);
    body.onceDone(end);
  }

  #leave(): void {
    this.#gone = true;
    this.#upstream?.destroy();
    this.#onGone?.();
  }
}

/** An IPv4 address that came over an IPv6 socket, as IPv4. */
function plainAddress(address: string): string {
  return address.startsWith("::ffff:") ? address.slice(7) : address;
}
