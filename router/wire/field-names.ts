import { internalHeaders, internalPrefix, requestIdHeader } from "../../common/contracts/headers.ts";
import { isSame } from "./bytes.ts";

/** What a field is to the router. */
export const Kind = {
  /** Goes through as it is. */
  pass: 0,
  /** Speaks of one connection only (RFC 9110, section 7.6.1), or is answered by the router itself. */
  hop: 1,
  /** One of ours, or a spelling that some server folds into one of ours (CGI reads `_` as `-`). */
  internal: 2,
  /** Says whom a proxy before us spoke for. */
  forwarding: 3,
  host: 4,
  contentLength: 5,
  transferEncoding: 6,
  connection: 7,
  upgrade: 8,
  expect: 9,
  authorization: 10,
  accept: 11,
  traceparent: 12,
  tracestate: 13,
  requestId: 14,
  forwardedFor: 15,
  forwardedHost: 16,
  forwardedProto: 17,
  contentType: 18,
  date: 19,
  notExecuted: 20,
  slot: 21,
  release: 22,
  leaseWord: 23,
  stateless: 24,
} as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

export interface FieldName {
  readonly lower: string;
  readonly kind: Kind;
}

const kinds: Readonly<Record<string, Kind>> = {
  host: Kind.host,
  "content-length": Kind.contentLength,
  "transfer-encoding": Kind.transferEncoding,
  connection: Kind.connection,
  upgrade: Kind.upgrade,
  expect: Kind.expect,
  authorization: Kind.authorization,
  accept: Kind.accept,
  traceparent: Kind.traceparent,
  tracestate: Kind.tracestate,
  [requestIdHeader]: Kind.requestId,
  "x-forwarded-for": Kind.forwardedFor,
  "x-forwarded-host": Kind.forwardedHost,
  "x-forwarded-proto": Kind.forwardedProto,
  "content-type": Kind.contentType,
  date: Kind.date,
  "keep-alive": Kind.hop,
  "proxy-connection": Kind.hop,
  "proxy-authenticate": Kind.hop,
  "proxy-authorization": Kind.hop,
  te: Kind.hop,
  "http2-settings": Kind.hop,
  [internalHeaders.notExecuted]: Kind.notExecuted,
  [internalHeaders.slot]: Kind.slot,
  [internalHeaders.release]: Kind.release,
  [internalHeaders.leaseWord]: Kind.leaseWord,
  [internalHeaders.releaseRecord]: Kind.leaseWord,
  [internalHeaders.stateless]: Kind.stateless,
};

const forwarding = new Set([
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-forwarded-port",
  "x-forwarded-prefix",
  "x-forwarded-server",
  "x-real-ip",
]);

function classify(name: string): FieldName {
  const lower = name.toLowerCase();
  const known = Object.hasOwn(kinds, lower) ? kinds[lower] : undefined;
  if (known !== undefined) return { lower, kind: known };
  const folded = lower.replaceAll("_", "-");
  if (folded.startsWith(internalPrefix)) return { lower, kind: Kind.internal };
  if (forwarding.has(folded)) return { lower, kind: Kind.forwarding };
  return { lower, kind: Kind.pass };
}

/** Names in this many places are remembered, by the hash of their spelling; a longer one is looked at anew each time. */
const places = 4_096;
const longestKept = 48;
/** A name's bytes, for the comparison without which a hash says nothing. */
interface Kept {
  readonly hash: number;
  readonly bytes: Uint8Array;
  readonly name: FieldName;
}
const kept: (Kept | undefined)[] = Array.from({ length: places });

/** One step of a name's hash, from 0: over each of its bytes in turn. */
export function hashStep(hash: number, byte: number): number {
  return (Math.imul(hash, 31) + byte) | 0;
}

/**
 * What a field is to the router, whatever its spelling. It makes no string for a name that it has seen: of each head all names are looked up.
 * Clients use few; one that makes up names pays for them, and pushes out one other each.
 * @param from where the name's bytes begin, @param to where they end, @param hash over all of them. They are a token.
 */
export function fieldNameAt(bytes: Buffer, from: number, to: number, hash: number): FieldName {
  const place = (hash ^ (hash >>> 12)) & (places - 1);
  const found = kept[place];
  if (found !== undefined && found.hash === hash && isSame(found.bytes, bytes, from, to)) return found.name;
  const name = classify(bytes.toString("latin1", from, to));
  if (to - from <= longestKept) kept[place] = { hash, bytes: Uint8Array.from(bytes.subarray(from, to)), name };
  return name;
}

/** Whether a kind is ours alone, so that neither client nor cell may use it towards the other. */
export function isInternal(kind: Kind): boolean {
  return kind === Kind.internal || kind >= Kind.notExecuted;
}
