import { internalHeaders, internalPrefix, requestIdHeader } from "../../common/contracts/headers.ts";

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

/** Spellings that are remembered. Clients use few; one that makes up names fills it once, and from then on pays for its own. */
const maxKept = 2_048;
const longestKept = 48;
const kept = new Map<string, FieldName>();

/** What a field of this name is to the router, in whatever spelling. @param name a token. */
export function fieldNameOf(name: string): FieldName {
  const found = kept.get(name);
  if (found !== undefined) return found;
  const made = classify(name);
  // A copy: a slice would keep the whole head in memory that it was cut from.
  if (kept.size < maxKept && name.length <= longestKept) kept.set(Buffer.from(name, "latin1").toString("latin1"), made);
  return made;
}

/** Whether a kind is ours alone, so that neither client nor cell may use it towards the other. */
export function isInternal(kind: Kind): boolean {
  return kind === Kind.internal || kind >= Kind.notExecuted;
}
