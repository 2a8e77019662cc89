import { createHash } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import { canonicalJson } from "../../../common/canonical.ts";
import { cellError } from "../errors.ts";

/** Bytes of the digest in a tag: two answers of an address are taken for one another once in 2^72 pairs. */
const tagBytes = 18;
/** Larger answers are not worth a digest over all their bytes; a route may still set a tag of its own. */
const largestTagged = 1_048_576;

/**
 * A strong entity tag for a value: changes when any member does. For an answer that carries something that changes without meaning (the moment of the
 * answer), make the tag of the rest and mark it weak.
 * @param value plain JSON.
 */
export function entityTag(value: unknown, strength: "strong" | "weak" = "strong"): string {
  return `${strength === "weak" ? "W/" : ""}${tagOf(canonicalJson(value))}`;
}

function tagOf(bytes: string | Buffer): string {
  return `"${createHash("sha256").update(bytes).digest().subarray(0, tagBytes).toString("base64url")}"`;
}

/**
 * Says that a change is only wanted if the thing is still as the client read it (`If-Match`, RFC 9110, section 13.1.1).
 * @param current the tag as it is now, null where the thing is not there: what the route that reads it sets as `ETag`, with `entityTag` too. (The tag that
 * the kit makes by itself is of the answer's bytes.)
 * @throws precondition-required without `If-Match`, precondition-failed where it names another version. Call it in the transaction that changes the
 * thing, with the row locked, or the version may change in between.
 */
export function requireMatch(request: FastifyRequest, current: string | null): void {
  const given = request.headers["if-match"];
  if (given === undefined) throw cellError("precondition-required", "There is no If-Match with this request.");
  const matches = current !== null && (given.trim() === "*" || (isStrong(current) && tagsIn(given).includes(current)));
  if (!matches) throw cellError("precondition-failed", "If-Match names another version than the one that is there.");
}

/**
 * Gives JSON answers to GET and HEAD a strong tag, where the route has set none, and answers 304 where the client has that version already
 * (`If-None-Match`, RFC 9110, section 13.1.2). Clients may keep an answer but ask before they use it: data of a tenant changes at any time.
 * @returns the body to send.
 */
export function answerConditionally(request: FastifyRequest, reply: FastifyReply, payload: unknown): unknown {
  if ((request.method !== "GET" && request.method !== "HEAD") || reply.statusCode !== 200) return payload;
  const type = reply.getHeader("content-type");
  if (typeof type !== "string" || !type.startsWith("application/json")) return payload;
  if (!reply.hasHeader("cache-control")) reply.header("cache-control", "private, no-cache");
  const tag = reply.getHeader("etag") ?? ownTag(payload);
  if (typeof tag !== "string") return payload;
  reply.header("etag", tag);
  const given = request.headers["if-none-match"];
  if (given === undefined || !knows(given, tag)) return payload;
  reply.code(304).removeHeader("content-type").removeHeader("content-length");
  return null;
}

function ownTag(payload: unknown): string | undefined {
  if (typeof payload !== "string" && !Buffer.isBuffer(payload)) return undefined;
  return payload.length > largestTagged ? undefined : tagOf(payload);
}

/** Weak comparison (RFC 9110, section 8.8.3.2). */
function knows(given: string, tag: string): boolean {
  return given.trim() === "*" || tagsIn(given).some((known) => opaque(known) === opaque(tag));
}

const isStrong = (tag: string): boolean => !tag.startsWith("W/");
const opaque = (tag: string): string => (isStrong(tag) ? tag : tag.slice(2));
const tagsIn = (list: string): string[] => list.match(/(?:W\/)?"[\x21\x23-\x7e]*"/g) ?? [];
