import { connect, type Socket } from "node:net";
import { AddressPolicy } from "../../common/net/address-policy.ts";
import { AnswerParser } from "../wire/answer-parser.ts";
import { BodyFrame, noBody } from "../wire/body-frame.ts";
import { BadBytes } from "../wire/field-block.ts";
import { framingOfAnswer, type AnswerHead } from "../wire/answer-head.ts";
import { Timed, type DeadlineList } from "./deadlines.ts";

// A connection to a slot of a cell. It carries one request at a time.
//   connecting  nothing has been sent                      → waiting (connected), closed (refused, too slow)
//   waiting     a request is being sent, or has been; no answer yet  → answering, joined (101), closed (broken, silent, not understood)
//   answering   the answer's body passes                   → idle (both messages at their ends), closed (any doubt)
//   discarding  the same, for an answer that nobody gets   → idle, closed (longer than it is worth, any doubt)
//   idle        in its pool                                → waiting (taken), closed (it said something, ended, or waited too long)
//   joined      bytes pass uninterpreted                   → closed
//   closed
type State = "connecting" | "waiting" | "answering" | "discarding" | "idle" | "joined" | "closed";

/** How a try ended without an answer. */
export type Failure = "refused" | "connect-timeout" | "silent" | "broken";

/** What a client is told of it. */
export const failureDetails = {
  refused: "no connection could be made.",
  "connect-timeout": "no connection came about in time.",
  silent: "no answer came in time.",
  broken: "the connection broke before an answer.",
} as const satisfies Record<Failure, string>;

/** Who asked on a connection and hears how it goes. Bytes are lent: they are another message's after the call. */
export interface Asker {
  readonly method: string;
  readonly websocket: boolean;
  /** The connection is there: the request can be sent. */
  connected(): void;
  failed(kind: Failure, error: Error): void;
  interim(head: AnswerHead): void;
  /** The answer's head. Calls `discard` where nobody shall get the answer. */
  answered(head: AnswerHead): void;
  piece(bytes: Buffer, from: number, to: number): void;
  /** All that one read brought has been given; an answer's end goes without it. */
  flush(): void;
  ended(trailers: string): void;
  /** The answer broke off. */
  cut(): void;
  /** More can be sent. */
  drained(): void;
  /** 101: from now on the bytes are the two sides' own. */
  switched(head: AnswerHead): void;
  /** The cell ended its side of a joined connection. */
  halfClosed(): void;
}

/** Where connections stand idle between requests. */
export interface Keeper {
  readonly host: string;
  readonly port: number;
  /** Those that wait for the head of an answer. */
  readonly firstByte: DeadlineList;
  /** Those that wait for more of an answer. */
  readonly moreBytes: DeadlineList;
  /** @returns whether the connection is kept for another request; else it has to be closed. */
  keep(upstream: Upstream): boolean;
  remove(upstream: Upstream): void;
}

/** A cell's own refusals are short; a longer answer that nobody gets costs its connection instead of our time. */
const discardBytes = 64 * 1024;
/** 1xx answers to one request. */
const maxInterim = 32;

/**
 * What is read from cells goes into one buffer for all connections: it is used up before the next read, and is not allocated for each.
 * @see https://nodejs.org/api/net.html `onread`
 */
const readBuffer = Buffer.allocUnsafeSlow(64 * 1024);
const parser = new AnswerParser();
/** A cell's name must not lead to where metadata is kept, whatever DNS says today. */
const policy = new AddressPolicy({ loopback: true });

export class Upstream extends Timed {
  readonly socket: Socket;
  readonly #pool: Keeper;
  #state: State = "connecting";
  #asker: Asker | null;
  /** Of the answer, while one passes. */
  readonly #frame = new BodyFrame(noBody);
  #pending: Buffer | null = null;
  #requestSent = false;
  #endless = false;
  #reusable = true;
  #interim = 0;
  #discarded = 0;
  #failure: Failure | null = null;
  #error: Error | null = null;

  constructor(pool: Keeper, asker: Asker) {
    super();
    this.#pool = pool;
    this.#asker = asker;
    this.socket = connect({
      host: pool.host,
      port: pool.port,
      noDelay: true,
      allowHalfOpen: true,
      lookup: policy.lookup,
      onread: { buffer: readBuffer, callback: (count) => this.#read(count) },
    });
    this.socket.on("connect", () => this.#connected());
    this.socket.on("drain", () => this.#asker?.drained());
    this.socket.on("end", () => this.#ended());
    this.socket.on("error", (error) => {
      this.#error ??= error;
    });
    this.socket.on("close", () => this.#closed());
  }

  get connecting(): boolean {
    return this.#state === "connecting";
  }

  /** Takes an idle connection for a request. */
  take(asker: Asker): void {
    this.#asker = asker;
    this.#state = "waiting";
    this.#requestSent = false;
    this.#endless = false;
    this.#interim = 0;
  }

  /** Sends bytes of the request. @returns whether more is welcome now. */
  send(bytes: Buffer): boolean {
    return this.socket.write(bytes);
  }

  /** The whole request has been handed over: from now on the answer is waited for. */
  requestSent(): void {
    this.#requestSent = true;
    if (this.#state === "waiting") this.#pool.firstByte.arm(this);
  }

  /** This answer may say nothing for as long as it likes: a stream of events. */
  endless(): void {
    this.#endless = true;
  }

  /** Nobody gets this answer. The connection is used again if both messages come to a clean end soon. */
  discard(): void {
    this.#asker = null;
    if (this.#state !== "answering") return this.destroy();
    this.#state = "discarding";
    this.#discarded = 0;
    if (!this.#requestSent) this.destroy();
  }

  /** Closes the connection; whoever asked hears no more of it. */
  destroy(): void {
    this.#asker = null;
    this.#leave();
    this.socket.destroy();
  }

  /** Waited too long, for whatever it was waiting for. */
  timedOut(): void {
    if (this.#state === "idle") return this.destroy();
    if (this.#state === "connecting") this.#failure = "connect-timeout";
    else if (this.#state === "waiting") this.#failure = "silent";
    this.socket.destroy();
  }

  #connected(): void {
    if (this.#state !== "connecting") return;
    this.disarm();
    this.#state = "waiting";
    this.#asker?.connected();
  }

  #read(count: number): boolean {
    try {
      if (this.#pending === null) this.#take(readBuffer, count);
      else {
        const bytes = Buffer.concat([this.#pending, readBuffer.subarray(0, count)]);
        this.#pending = null;
        this.#take(bytes, bytes.length);
      }
    } catch (error) {
      // What is not understood is an answer that never came; the connection is not to be trusted any more.
      this.#error ??= error as Error;
      this.socket.destroy(error instanceof BadBytes ? undefined : (error as Error));
    } finally {
      this.#asker?.flush();
    }
    return true;
  }

  #take(bytes: Buffer, end: number): void {
    let at = 0;
    while (at < end) {
      switch (this.#state) {
        case "waiting":
          at = this.#readHead(bytes, at, end);
          break;
        case "answering":
        case "discarding":
          at = this.#readBody(bytes, at, end);
          break;
        case "joined":
          this.#asker?.piece(bytes, at, end);
          at = end;
          break;
        default:
          // A connection that speaks unasked is in doubt.
          return this.destroy();
      }
    }
  }

  #readHead(bytes: Buffer, at: number, end: number): number {
    const next = parser.parse(bytes, at, end);
    if (next < 0) {
      this.#pending = Buffer.from(bytes.subarray(at, end));
      return end;
    }
    const asker = this.#asker as Asker;
    const head = framingOfAnswer(parser, asker.method);
    if (head.status === 101) {
      if (!asker.websocket) throw new BadBytes("The cell switches protocols unasked.");
      this.disarm();
      this.#state = "joined";
      asker.switched(head);
      return next;
    }
    if (head.status < 200) {
      this.#interim += 1;
      if (this.#interim > maxInterim) throw new BadBytes("The cell sends interim answers without end.");
      if (this.#requestSent) this.#pool.firstByte.arm(this);
      asker.interim(head);
      return next;
    }
    this.disarm();
    this.#state = "answering";
    this.#reusable = head.keepAlive;
    this.#frame.begin(head.framing);
    asker.answered(head);
    if (this.#frame.done) this.#finish(next < end);
    else if (!this.#endless && !this.socket.destroyed) this.#pool.moreBytes.arm(this);
    return next;
  }

  #readBody(bytes: Buffer, at: number, end: number): number {
    const frame = this.#frame;
    const next = frame.read(bytes, at, end);
    if (this.#state === "discarding") {
      this.#discarded += next - at;
      if (this.#discarded > discardBytes) {
        this.destroy();
        return end;
      }
    } else if (frame.to > frame.from) this.#asker?.piece(bytes, frame.from, frame.to);
    if (frame.done) this.#finish(next < end);
    else if (this.list !== null) this.#pool.moreBytes.arm(this);
    return next;
  }

  /** The answer is whole. @param more whether bytes stand behind it, which nobody asked for. */
  #finish(more: boolean): void {
    const asker = this.#asker;
    const { trailers } = this.#frame;
    this.#asker = null;
    this.disarm();
    if (this.socket.isPaused()) this.socket.resume();
    if (more || !this.#reusable || !this.#requestSent || this.socket.destroyed || !this.#pool.keep(this))
      this.destroy();
    else this.#state = "idle";
    asker?.ended(trailers);
  }

  #ended(): void {
    if (this.#state === "joined") {
      this.#asker?.halfClosed();
      return;
    }
    if ((this.#state === "answering" || this.#state === "discarding") && this.#frame.endOfConnection()) {
      this.#reusable = false;
      this.#finish(false);
      return;
    }
    if (this.#state === "idle") this.destroy();
    else this.socket.destroy();
  }

  #closed(): void {
    const state = this.#state;
    const asker = this.#asker;
    this.#leave();
    this.#asker = null;
    if (asker === null) return;
    const error = this.#error ?? new Error("the cell closed the connection");
    if (state === "connecting") asker.failed(this.#failure ?? "refused", error);
    else if (state === "waiting") asker.failed(this.#failure ?? "broken", error);
    else asker.cut();
  }

  #leave(): void {
    this.disarm();
    if (this.#state === "idle") this.#pool.remove(this);
    this.#state = "closed";
    this.#pending = null;
  }
}
