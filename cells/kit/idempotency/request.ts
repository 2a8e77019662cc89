import { createHash } from "node:crypto";
import type { FastifyRequest } from "fastify";
import { canonicalJson } from "../../../common/canonical.ts";
import { cellError } from "../errors.ts";

export const idempotencyKeyHeader = "idempotency-key";

// draft-ietf-httpapi-idempotency-key-header-07 makes it a String of Structured Fields (RFC 9651), in quotes; most clients send it bare. Two fields of
// that name arrive joined by a comma, which neither form may hold.
const quoted = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,255})"$/;
const bare = /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x7e]{1,255}$/;

/** The key in a field's value, the same in quotes and without. @throws idempotency-key-malformed */
export function keyIn(value: string | readonly string[]): string {
  const text = typeof value === "string" ? value : value.join(", ");
  const inQuotes = quoted.exec(text)?.[1]?.replace(/\\(["\\])/g, "$1");
  if (inQuotes !== undefined) return inQuotes;
  if (bare.test(text)) return text;
  throw cellError("idempotency-key-malformed", "The Idempotency-Key is not 1 to 255 visible characters of ASCII.");
}

/**
 * What makes a request this request: method, address with query, content type, body. JSON counts by its value, not by its spaces or the order of its
 * members.
 * @throws idempotency-key-unsupported where the body is not there to be looked at.
 */
export function fingerprintOf(request: FastifyRequest): Buffer {
  const type = (request.headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
  const head = `${request.method}\n${request.url}\n${type}\n`;
  return createHash("sha256").update(head).update(bytesOf(request.body)).digest();
}

function bytesOf(body: unknown): string | Buffer {
  if (body === undefined) return "";
  if (Buffer.isBuffer(body)) return body;
  if (typeof body === "object" && body !== null && "pipe" in body && typeof body.pipe === "function")
    throw cellError("idempotency-key-unsupported", "This address reads its body as a stream.");
  return canonicalJson(body);
}
