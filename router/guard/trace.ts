import { randomFillSync } from "node:crypto";
import { requestIdHeader } from "../../common/contracts/headers.ts";
import type { Gather } from "../wire/gather.ts";

const traceparent = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const requestId = /^[A-Za-z0-9._-]{1,64}$/;

/** Random words are made for many requests at once: one call costs as much as a request's whole head. */
const random = new Int32Array(2_560);
let used = random.length;

/** @returns where in `random` so many words stand that nobody had before. */
function fresh(words: number): number {
  if (used + words > random.length) {
    randomFillSync(random);
    used = 0;
  }
  used += words;
  return used - words;
}

const requestName = Buffer.from(`${requestIdHeader}: `);
const traceName = Buffer.from("traceparent: 00-");
const dash = Buffer.from("-");
const unsampled = Buffer.from("-00\r\n");
const newLine = Buffer.from("\r\n");

const hexOf = (word: number): string => (word >>> 0).toString(16).padStart(8, "0");

/** Whether whoever began the trace records it: the last bit of the flags. */
export function isSampled(given: string): boolean {
  return (Number.parseInt(given.slice(-1), 16) & 1) === 1;
}

/**
 * The ids of one request: the client's where they are well formed (W3C Trace Context, section 3.2), else new ones, the trace unsampled. New ones are
 * numbers, written down where they are sent, and become strings only where they are asked for.
 */
export class Ids {
  /** The client's; null where it is new. */
  readonly givenTrace: string | null;
  readonly #givenId: string | null;
  /** What the cell gets, where that is another than what was made here: the client's, or a span of this router. */
  #trace: string | null;
  readonly #request0: number;
  readonly #request1: number;
  readonly #request2: number;
  readonly #request3: number;
  readonly #trace0: number;
  readonly #trace1: number;
  readonly #trace2: number;
  readonly #trace3: number;
  readonly #span0: number;
  readonly #span1: number;

  constructor(givenId: string | undefined, givenTrace: string | undefined) {
    const at = fresh(10);
    this.#request0 = random[at] as number;
    this.#request1 = random[at + 1] as number;
    this.#request2 = random[at + 2] as number;
    this.#request3 = random[at + 3] as number;
    this.#trace0 = random[at + 4] as number;
    this.#trace1 = random[at + 5] as number;
    this.#trace2 = random[at + 6] as number;
    this.#trace3 = random[at + 7] as number;
    this.#span0 = random[at + 8] as number;
    this.#span1 = random[at + 9] as number;
    this.#givenId = givenId !== undefined && requestId.test(givenId) ? givenId : null;
    this.givenTrace = givenTrace !== undefined && traceparent.test(givenTrace) ? givenTrace : null;
    this.#trace = this.givenTrace;
  }

  get request(): string {
    return (
      this.#givenId ?? hexOf(this.#request0) + hexOf(this.#request1) + hexOf(this.#request2) + hexOf(this.#request3)
    );
  }

  get traceparent(): string {
    if (this.#trace !== null) return this.#trace;
    const trace = hexOf(this.#trace0) + hexOf(this.#trace1) + hexOf(this.#trace2) + hexOf(this.#trace3);
    return `00-${trace}-${hexOf(this.#span0)}${hexOf(this.#span1)}-00`;
  }

  /** The cell's part of the trace hangs on a span of ours. */
  traceUnder(span: string): void {
    this.#trace = span;
  }

  /** Puts the line of the request's id behind what has gathered. */
  requestLine(to: Gather): void {
    to.all(requestName);
    if (this.#givenId === null) {
      to.hex(this.#request0);
      to.hex(this.#request1);
      to.hex(this.#request2);
      to.hex(this.#request3);
    } else to.text(this.#givenId);
    to.all(newLine);
  }

  /** Puts both lines behind what has gathered. */
  bothLines(to: Gather): void {
    this.requestLine(to);
    if (this.#trace !== null) return to.text(`traceparent: ${this.#trace}\r\n`);
    to.all(traceName);
    to.hex(this.#trace0);
    to.hex(this.#trace1);
    to.hex(this.#trace2);
    to.hex(this.#trace3);
    to.all(dash);
    to.hex(this.#span0);
    to.hex(this.#span1);
    to.all(unsampled);
  }
}
