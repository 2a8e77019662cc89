import { randomBytes, randomUUID } from "node:crypto";

const traceparent = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const requestId = /^[A-Za-z0-9._-]{1,64}$/;

/** The client's traceparent where it is well formed (W3C Trace Context, section 3.2), else a new, unsampled one. */
export function traceOf(given: string | undefined): { readonly traceparent: string; readonly continued: boolean } {
  if (given !== undefined && traceparent.test(given)) return { traceparent: given, continued: true };
  const bytes = randomBytes(24).toString("hex");
  return { traceparent: `00-${bytes.slice(0, 32)}-${bytes.slice(32)}-00`, continued: false };
}

/** The client's request id where it is well formed, else a new one. */
export function requestIdOf(given: string | undefined): string {
  return given !== undefined && requestId.test(given) ? given : randomUUID();
}

/** The value of a field that should stand once; undefined where it is missing or stands twice. */
export function onlyField(fields: readonly string[], lowerName: string): string | undefined {
  let found: string | undefined;
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index] as string;
    if (name.length !== lowerName.length || name.toLowerCase() !== lowerName) continue;
    if (found !== undefined) return undefined;
    found = fields[index + 1];
  }
  return found;
}
