import { constants, type IncomingHttpHeaders, type OutgoingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { Duplex } from "node:stream";
import type { ClientSocket } from "../proxy/client-socket.ts";
import { framingOfAnswer, type AnswerHead } from "../wire/answer-head.ts";
import { AnswerParser } from "../wire/answer-parser.ts";
import { BodyFrame } from "../wire/body-frame.ts";
import { Kind } from "../wire/field-names.ts";
import { headOfStream } from "./stream-head.ts";

/** Connection speaks of a connection, of which HTTP/2 has another idea (RFC 9113, section 8.2.2). */
const ofConnection: ReadonlySet<Kind> = new Set([Kind.connection, Kind.transferEncoding, Kind.hop, Kind.upgrade]);

const parser = new AnswerParser();

// A stream of HTTP/2 in the clothes of an HTTP/1.1 connection that carries one request, so that the one path checks and carries both.
//   head       no answer's head yet; interim answers pass    → body, over
//   body       the answer's body passes                      → over
//   over       the answer is whole, or the stream is gone
type State = "head" | "body" | "over";

export class StreamSocket extends Duplex implements ClientSocket {
  readonly remoteAddress: string | undefined;
  readonly #stream: ServerHttp2Stream;
  readonly #method: string;
  readonly #chunked: boolean;
  #state: State = "head";
  #pending: Buffer | null = null;
  #frame: BodyFrame | null = null;

  /** @param headers of the stream, as node:http2 has checked them. */
  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, remoteAddress: string | undefined) {
    super({ allowHalfOpen: true });
    this.remoteAddress = remoteAddress;
    this.#stream = stream;
    const { method, chunked, text } = headOfStream(headers, stream.endAfterHeaders);
    this.#method = method;
    this.#chunked = chunked;
    this.push(Buffer.from(text, "latin1"));
    stream.on("data", (chunk: Buffer) => this.#received(chunk));
    stream.on("end", () => {
      if (this.#chunked) this.push("0\r\n\r\n");
    });
    // An aborted stream is a client that went away; its code says no more than that.
    stream.on("error", () => this.destroy());
    stream.on("close", () => this.destroy());
    stream.pause();
  }

  setKeepAlive(): void {
    // The session's socket has its own.
  }

  resetAndDestroy(): void {
    this.destroy();
  }

  destroySoon(): void {
    if (this.writableLength === 0) this.destroy();
    else this.once("drain", () => this.destroy());
  }

  override _read(): void {
    this.#stream.resume();
  }

  override _write(bytes: Buffer, _: BufferEncoding, done: (error?: Error) => void): void {
    try {
      const all = this.#pending === null ? bytes : Buffer.concat([this.#pending, bytes]);
      this.#pending = null;
      this.#take(all, done);
    } catch (error) {
      done(error as Error);
    }
  }

  override _final(done: (error?: Error) => void): void {
    if (this.#state !== "over") this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.#stream.closed)
      this.#stream.close(this.#state === "over" ? constants.NGHTTP2_NO_ERROR : constants.NGHTTP2_INTERNAL_ERROR);
    done(error);
  }

  #received(chunk: Buffer): void {
    if (this.#chunked) this.push(`${chunk.length.toString(16)}\r\n`, "latin1");
    this.push(chunk);
    const more = this.#chunked ? this.push("\r\n", "latin1") : this.readableLength < this.readableHighWaterMark;
    if (!more) this.#stream.pause();
  }

  /** Reads what the router answers, which is HTTP/1.1 of its own making. @throws BadBytes */
  #take(bytes: Buffer, done: () => void): void {
    let at = 0;
    while (this.#state === "head" && at < bytes.length) {
      const next = parser.parse(bytes, at, bytes.length);
      if (next < 0) {
        this.#pending = Buffer.from(bytes.subarray(at));
        return done();
      }
      at = next;
      this.#answer(framingOfAnswer(parser, this.#method));
    }
    const pieces: Buffer[] = [];
    const frame = this.#frame;
    while (frame !== null && !frame.done && at < bytes.length) {
      at = frame.read(bytes, at, bytes.length);
      if (frame.to > frame.from) pieces.push(bytes.subarray(frame.from, frame.to));
    }
    this.#send(pieces, done);
  }

  #answer(head: AnswerHead): void {
    const fields = fieldsOf(head);
    if (head.status < 200) {
      this.#stream.additionalHeaders(fields);
      return;
    }
    const frame = new BodyFrame(head.framing);
    this.#state = frame.done ? "over" : "body";
    this.#frame = frame;
    const trailers = head.framing.kind === "chunked";
    if (trailers) this.#stream.on("wantTrailers", () => this.#stream.sendTrailers(trailersOf(frame.trailers)));
    this.#stream.respond(fields, { endStream: frame.done, waitForTrailers: trailers });
  }

  #send(pieces: readonly Buffer[], done: () => void): void {
    let more = true;
    for (const piece of pieces) more = this.#stream.write(Buffer.from(piece));
    if (this.#state === "body" && this.#frame?.done === true) {
      this.#state = "over";
      this.#stream.end();
      return done();
    }
    if (more || this.#stream.destroyed) return done();
    this.#stream.once("drain", done);
  }
}

function fieldsOf(head: AnswerHead): OutgoingHttpHeaders {
  const fields: Record<string, string | string[] | number> = { ":status": head.status };
  for (let index = 0; index < head.fields.count; index += 1) {
    if (ofConnection.has(head.fields.kind(index))) continue;
    add(fields, head.fields.name(index), head.fields.value(index));
  }
  return fields;
}

function trailersOf(lines: string): OutgoingHttpHeaders {
  const fields: Record<string, string | string[]> = {};
  for (const line of lines.split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) add(fields, line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return fields;
}

function add(fields: Record<string, string | string[] | number>, name: string, value: string): void {
  const before = fields[name];
  if (before === undefined) fields[name] = value;
  else if (Array.isArray(before)) before.push(value);
  else fields[name] = [String(before), value];
}
