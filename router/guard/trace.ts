import { randomFillSync } from "node:crypto";
import { requestIdHeader } from "../../common/contracts/headers.ts";
import type { Gather } from "../wire/gather.ts";

const traceparent = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const requestId = /^[A-Za-z0-9._-]{1,64}$/;

/** Random digits are made for many requests at once: one call costs as much as a request's whole head. */
const perBatch = 64;
const hexDigits = Buffer.from("0123456789abcdef");
/** Both lines of one request, with an `x` for each random digit. */
const template = `${requestIdHeader}: ${"x".repeat(32)}\r\ntraceparent: 00-${"x".repeat(32)}-${"x".repeat(16)}-00\r\n`;
const lines = Buffer.from(template);
const requestLineBytes = lines.indexOf("\n") + 1;
const idAt = lines.indexOf("x".repeat(32));
const traceAt = lines.indexOf("00-x");
const traceEnd = lines.length - 2;
/** Where random digits stand. */
const places = Uint16Array.from([...digitsFrom(idAt, 32), ...digitsFrom(traceAt + 3, 32), ...digitsFrom(traceAt + 36, 16)]);

function digitsFrom(at: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => at + index);
}

let batch: Buffer = Buffer.alloc(0);
let next = perBatch;
const random = Buffer.alloc((perBatch * places.length) / 2);

/** A batch of its own for each time, for whoever took ids out of the last one still reads them there. */
function refill(): void {
  randomFillSync(random);
  const made = Buffer.allocUnsafeSlow(perBatch * lines.length);
  let used = 0;
  for (let start = 0; start < made.length; start += lines.length) {
    lines.copy(made, start);
    for (let digit = 0; digit < places.length; digit += 2) {
      const byte = random[used] as number;
      used += 1;
      made[start + (places[digit] as number)] = hexDigits[byte >> 4] as number;
      made[start + (places[digit + 1] as number)] = hexDigits[byte & 15] as number;
    }
  }
  batch = made;
  next = 0;
}

/** Whether whoever began the trace records it: the last bit of the flags. */
export function isSampled(given: string): boolean {
  return (Number.parseInt(given.slice(-1), 16) & 1) === 1;
}

/**
 * The ids of one request: the client's where they are well formed (W3C Trace Context, section 3.2), else new ones, the trace unsampled. New ones are
 * lines in memory, ready to be copied, and become strings only where they are asked for.
 */
export class Ids {
  /** The client's; null where it is new. */
  readonly givenTrace: string | null;
  readonly #givenId: string | null;
  /** What the cell gets, where that is another than was given or made: a span of this router. */
  #trace: string | null;
  readonly #batch: Buffer;
  readonly #at: number;

  constructor(givenId: string | undefined, givenTrace: string | undefined) {
    if (next === perBatch) refill();
    this.#batch = batch;
    this.#at = next * lines.length;
    next += 1;
    this.#givenId = givenId !== undefined && requestId.test(givenId) ? givenId : null;
    this.givenTrace = givenTrace !== undefined && traceparent.test(givenTrace) ? givenTrace : null;
    this.#trace = this.givenTrace;
  }

  get request(): string {
    return this.#givenId ?? this.#cut(idAt, idAt + 32);
  }

  get traceparent(): string {
    return this.#trace ?? this.#cut(traceAt, traceEnd);
  }

  /** The cell's part of the trace hangs on a span of ours. */
  traceUnder(span: string): void {
    this.#trace = span;
  }

  /** Puts the line of the request's id behind what has gathered. */
  requestLine(to: Gather): void {
    if (this.#givenId === null) to.run(this.#batch, this.#at, this.#at + requestLineBytes);
    else to.text(`${requestIdHeader}: ${this.#givenId}\r\n`);
  }

  /** Puts both lines behind what has gathered. */
  bothLines(to: Gather): void {
    if (this.#givenId === null && this.#trace === null) return to.run(this.#batch, this.#at, this.#at + lines.length);
    this.requestLine(to);
    if (this.#trace === null) to.run(this.#batch, this.#at + requestLineBytes, this.#at + lines.length);
    else to.text(`traceparent: ${this.#trace}\r\n`);
  }

  #cut(from: number, to: number): string {
    return this.#batch.toString("latin1", this.#at + from, this.#at + to);
  }
}
