import type { CellplaneError } from "../../common/errors.ts";
import { fail } from "../errors.ts";
import { BodyFrame, type Framing } from "../wire/body-frame.ts";
import { BadBytes } from "../wire/field-block.ts";
import type { Gather } from "../wire/gather.ts";
import { beginChunk, endChunk, endOfChunks } from "./chunks.ts";
import { toCells } from "./gathers.ts";
import type { Upstream } from "./upstream.ts";

/** A body up to this size is kept while it streams through, so that the request can be sent again elsewhere. */
const keepBytes = 64 * 1024;

/** What is to be sent is copied together up to this size; more goes out as it lies, in one write of several buffers. */
const togetherBytes = 16 * 1024;

const nothing: readonly Buffer[] = [];

/**
 * The body of a request on its way to a cell, with back-pressure. One sink at a time; a new sink first gets what was kept.
 * As long as there is no sink nothing more is read: what is not on its way can still go elsewhere.
 */
export class RequestBody {
  readonly #framing: Framing;
  /** Null where there is no body. */
  readonly #frame: BodyFrame | null;
  #limitBytes = Number.POSITIVE_INFINITY;
  /** What has come and is still here. */
  #pieces: readonly Buffer[] = nothing;
  /** How many of the pieces the sink has got. */
  #sent = 0;
  #bytes = 0;
  #replayable = true;
  #sink: Upstream | null = null;
  #full = false;
  #forgetting = false;

  constructor(framing: Framing) {
    this.#framing = framing;
    this.#frame = framing.kind === "none" ? null : new BodyFrame(framing);
  }

  /** Whether all of it has come. */
  get done(): boolean {
    return this.#frame === null || this.#frame.done;
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
    return this.#frame === null ? 0 : this.#frame.left;
  }
  /** Whether the client should go on sending now. */
  get wanted(): boolean {
    return !this.done && (this.#forgetting || (this.#sink !== null && !this.#full));
  }

  /** @throws CellplaneError body-too-large, now or when more has come. */
  limit(bytes: number): void {
    this.#limitBytes = bytes;
    const announced = this.#framing.kind === "length" ? this.#framing.bytes : 0;
    if (announced > bytes || this.#bytes > bytes) throw tooLarge(bytes);
  }

  /**
   * Takes what the client sent, and passes it on where there is a sink.
   * @returns where the bytes behind the body begin. @throws CellplaneError malformed-request, body-too-large
   */
  take(bytes: Buffer, at: number): number {
    const frame = this.#frame;
    let position = at;
    if (frame === null) return position;
    try {
      while (position < bytes.length && !frame.done) {
        position = frame.read(bytes, position, bytes.length);
        if (frame.to > frame.from) this.#add(bytes.subarray(frame.from, frame.to));
      }
    } catch (error) {
      if (error instanceof BadBytes) throw fail("malformed-request", error.message);
      throw error;
    }
    if (this.#sink !== null) this.#push(this.#sink, toCells);
    return position;
  }

  /** Sends what has gathered (the head), what was kept, then what comes, then the end. */
  attach(sink: Upstream, head: Gather): void {
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
    this.#pieces = nothing;
    this.#replayable = false;
    this.#forgetting = true;
    this.#limitBytes = this.#bytes + bytes;
  }

  #add(piece: Buffer): void {
    this.#bytes += piece.length;
    if (this.#bytes > this.#limitBytes) throw tooLarge(this.#limitBytes);
    if (this.#forgetting) return;
    if (this.#pieces === nothing) this.#pieces = [piece];
    else (this.#pieces as Buffer[]).push(piece);
  }

  /** @param out what has gathered goes before. */
  #push(sink: Upstream, out: Gather): void {
    const { socket } = sink;
    const chunked = this.#framing.kind === "chunked";
    const together = this.#waitingBytes() <= togetherBytes;
    if (!together) socket.cork();
    for (let index = this.#sent; index < this.#pieces.length; index += 1) {
      const piece = this.#pieces[index] as Buffer;
      if (chunked) beginChunk(piece.length, out);
      if (together) out.all(piece);
      else {
        out.sendTo(socket);
        socket.write(piece);
      }
      if (chunked) endChunk(out);
    }
    if (chunked && this.done) endOfChunks(this.#frame?.trailers ?? "", out);
    out.sendTo(socket);
    if (!together) socket.uncork();
    this.#full = socket.writableNeedDrain;
    this.#sent = this.#pieces.length;
    if (this.#bytes > keepBytes) {
      this.#replayable = false;
      this.#pieces = nothing;
      this.#sent = 0;
    }
    if (this.done) sink.requestSent();
  }

  /** Bytes that have come and have not been sent. */
  #waitingBytes(): number {
    let bytes = 0;
    for (let index = this.#sent; index < this.#pieces.length; index += 1)
      bytes += (this.#pieces[index] as Buffer).length;
    return bytes;
  }
}

function tooLarge(limitBytes: number): CellplaneError {
  return fail("body-too-large", `At most ${limitBytes} bytes are taken.`);
}
