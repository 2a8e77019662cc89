import { randomFillSync } from "node:crypto";

const traceparent = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const requestId = /^[A-Za-z0-9._-]{1,64}$/;

/** Random digits are made for many requests at once: one call costs as much as a request's whole head. */
const pool = Buffer.alloc(8 * 1024);
let digits = "";
let used = 0;

/** @param count of hexadecimal digits. */
function randomHex(count: number): string {
  if (used + count > digits.length) {
    digits = randomFillSync(pool).toString("hex");
    used = 0;
  }
  used += count;
  return digits.slice(used - count, used);
}

export interface Trace {
  readonly traceparent: string;
  /** Whether it is the client's. */
  readonly continued: boolean;
}

/** Whether whoever began the trace records it: the last bit of the flags. */
export function isSampled(given: string): boolean {
  return (Number.parseInt(given.slice(-1), 16) & 1) === 1;
}

/** The client's traceparent where it is well formed (W3C Trace Context, section 3.2), else a new, unsampled one. */
export function traceOf(given: string | undefined): Trace {
  if (given !== undefined && traceparent.test(given)) return { traceparent: given, continued: true };
  return { traceparent: `00-${randomHex(32)}-${randomHex(16)}-00`, continued: false };
}

/** The client's request id where it is well formed, else a new one. */
export function requestIdOf(given: string | undefined): string {
  return given !== undefined && requestId.test(given) ? given : randomHex(32);
}
