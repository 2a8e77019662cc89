import { randomFillSync, randomUUID } from "node:crypto";

const traceparent = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const requestId = /^[A-Za-z0-9._-]{1,64}$/;

/** Random bytes are fetched for many requests at once: one call costs as much as a request's whole head. */
const pool = Buffer.alloc(24 * 512);
let used = pool.length;

function randomHex(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += 24;
  return pool.toString("hex", used - 24, used);
}

/** The client's traceparent where it is well formed (W3C Trace Context, section 3.2), else a new, unsampled one. */
export function traceOf(given: string | undefined): { readonly traceparent: string; readonly continued: boolean } {
  if (given !== undefined && traceparent.test(given)) return { traceparent: given, continued: true };
  const hex = randomHex();
  return { traceparent: `00-${hex.slice(0, 32)}-${hex.slice(32)}-00`, continued: false };
}

/** The client's request id where it is well formed, else a new one. */
export function requestIdOf(given: string | undefined): string {
  return given !== undefined && requestId.test(given) ? given : randomUUID();
}
