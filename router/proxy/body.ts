import type { CellplaneError } from "../../common/errors.ts";
import { fail } from "../errors.ts";
import { BodyFrame, type Framing } from "../wire/body-frame.ts";
import { BadBytes } from "../wire/field-block.ts";
import { chunkText, textBytes } from "./text.ts";
import type { Upstream } from "./upstream.ts";

/** A body up to this size is kept while it streams through, so that the request can be sent again elsewhere. */
const keepBytes = 64 * 1024;

/** A piece without a head up to this size goes out as text. */
const aloneTextBytes = 2 * 1024;

/**
 * The body of a request on its way to a cell, with back-pressure. One sink at a time; a new sink first gets what was kept.
 * As long as there is no sink nothing more is read: what is not on its way can still go elsewhere.
 */
export class RequestBody {
  readonly #frame: BodyFrame;
  #limitBytes = Number.POSITIVE_INFINITY;
  /** What has come and is still here. */
  #pieces: Buffer[] = [];
  /** How many of the pieces the sink has got. */
  #sent = 0;
  #bytes = 0;
  #replayable = true;
  #sink: Upstream | null = null;
  #full = false;
  #forgetting = false;

  constructor(framing: Framing) {
    this.#frame = new BodyFrame(framing);
  }

  /** Whether all of it has come. */
  get done(): boolean {
    return this.#frame.done;
  }
  /** Whether all that has come is still here. */
  get replayable(): boolean {
    return this.#replayable;
  }
  get receivedBytes(): number {
    return this.#bytes;
  }
  get keptBytes(): number {
    return this.#replayable ? this.#bytes : 0;
  }
  /** Bytes that are announced and have not come; infinite where nothing is announced. */
  get left(): number {
    return this.#frame.left;
  }
  /** Whether the client should go on sending now. */
  get wanted(): boolean {
    return !this.#frame.done && (this.#forgetting || (this.#sink !== null && !this.#full));
  }

  /** @throws CellplaneError body-too-large, now or when more has come. */
  limit(bytes: number): void {
    this.#limitBytes = bytes;
    const announced = this.#frame.framing.kind === "length" ? this.#frame.framing.bytes : 0;
    if (announced > bytes || this.#bytes > bytes) throw tooLarge(bytes);
  }

  /**
   * Takes what the client sent, and passes it on where there is a sink.
   * @returns where the bytes behind the body begin. @throws CellplaneError malformed-request, body-too-large
   */
  take(bytes: Buffer, at: number): number {
    let position = at;
    try {
      while (position < bytes.length && !this.#frame.done) {
        position = this.#frame.read(bytes, position, bytes.length);
        if (this.#frame.to > this.#frame.from) this.#add(bytes.subarray(this.#frame.from, this.#frame.to));
      }
    } catch (error) {
      if (error instanceof BadBytes) throw fail("malformed-request", error.message);
      throw error;
    }
    if (this.#sink !== null) this.#push(this.#sink, "");
    return position;
  }

  /** Sends the head, what was kept, then what comes, then the end. */
  attach(sink: Upstream, head: string): void {
    this.#sink = sink;
    this.#sent = 0;
    this.#full = false;
    this.#push(sink, head);
  }

  /** Holds the body back until the next sink. */
  detach(): void {
    this.#sink = null;
  }

  /** The sink takes more. */
  drained(): void {
    this.#full = false;
  }

  /** Reads and forgets the rest: nobody wants it, but the connection is worth it. @param bytes more than this is too large. */
  forget(bytes: number): void {
    this.#sink = null;
    this.#pieces = [];
    this.#replayable = false;
    this.#forgetting = true;
    this.#limitBytes = this.#bytes + bytes;
  }

  #add(piece: Buffer): void {
    this.#bytes += piece.length;
    if (this.#bytes > this.#limitBytes) throw tooLarge(this.#limitBytes);
    if (!this.#forgetting) this.#pieces.push(piece);
  }

  #push(sink: Upstream, head: string): void {
    const chunked = this.#frame.framing.kind === "chunked";
    let bytes = head.length;
    for (let index = this.#sent; index < this.#pieces.length; index += 1)
      bytes += (this.#pieces[index] as Buffer).length;
    const end = chunked && this.#frame.done ? `0\r\n${this.#frame.trailers}\r\n` : "";
    // With a head it is one write; alone a piece is a buffer already, and only a short one is cheaper as text.
    if (bytes <= (head === "" ? aloneTextBytes : textBytes)) this.#full = !this.#pushText(sink, head, end, chunked);
    else this.#full = !this.#pushPieces(sink, head, end, chunked);
    this.#sent = this.#pieces.length;
    if (this.#bytes > keepBytes) {
      this.#replayable = false;
      this.#pieces = [];
      this.#sent = 0;
    }
    if (this.#frame.done) sink.requestSent();
  }

  /** Little: one string is one write. */
  #pushText(sink: Upstream, head: string, end: string, chunked: boolean): boolean {
    let text = head;
    for (let index = this.#sent; index < this.#pieces.length; index += 1) {
      const piece = this.#pieces[index] as Buffer;
      const inner = piece.toString("latin1");
      text += chunked ? chunkText(inner) : inner;
    }
    text += end;
    return text === "" || sink.send(text);
  }

  #pushPieces(sink: Upstream, head: string, end: string, chunked: boolean): boolean {
    sink.socket.cork();
    if (head !== "") sink.send(head);
    for (let index = this.#sent; index < this.#pieces.length; index += 1) {
      const piece = this.#pieces[index] as Buffer;
      if (chunked) sink.send(`${piece.length.toString(16)}\r\n`);
      sink.send(piece);
      if (chunked) sink.send("\r\n");
    }
    if (end !== "") sink.send(end);
    sink.socket.uncork();
    return !sink.socket.writableNeedDrain;
  }
}

function tooLarge(limitBytes: number): CellplaneError {
  return fail("body-too-large", `At most ${limitBytes} bytes are taken.`);
}
