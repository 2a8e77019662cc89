import { randomBytes } from "node:crypto";

/**
 * A version 7 UUID (RFC 9562, section 5.7): 48 bits of milliseconds, then randomness; ids made later sort later.
 * Inside PostgreSQL the server's own `uuidv7()` does the same.
 * @param nowMs milliseconds since the epoch; given by tests.
 */
export function uuidv7(nowMs: number = Date.now()): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(nowMs, 0, 6);
  bytes[6] = 0x70 | (bytes.readUInt8(6) & 0x0f);
  bytes[8] = 0x80 | (bytes.readUInt8(8) & 0x3f);
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
