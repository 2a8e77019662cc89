import { internalHeaders, internalPrefix, requestIdHeader } from "../../common/contracts/headers.ts";
import { slots, type Slot } from "../../common/contracts/lease.ts";

/** Fields that speak of one connection only (RFC 9110, section 7.6.1), and Expect, which the router answers itself. */
const hopByHop = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
  "expect",
]);

/** Fields that the router writes itself, once and last, whatever the client sent. */
const own = new Set(["host", "content-length", requestIdHeader, "traceparent"]);

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

/** Whether a field's name is one of ours, or a spelling that some server folds into one of ours (CGI reads `_` as `-`). */
export function isInternal(lowerName: string): boolean {
  if (!lowerName.startsWith("cellplane")) return false;
  return lowerName.replaceAll("_", "-").startsWith(internalPrefix);
}

/** Names that the Connection fields declare as hop-by-hop; null where there are none. */
function nominated(fields: readonly string[]): Set<string> | null {
  let found: Set<string> | null = null;
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index] as string;
    if (name.length !== 10 || name.toLowerCase() !== "connection") continue;
    for (const item of (fields[index + 1] as string).split(",")) {
      const word = item.trim().toLowerCase();
      if (word === "" || word === "keep-alive" || word === "close" || word === "upgrade") continue;
      found ??= new Set();
      found.add(word);
    }
  }
  return found;
}

export interface ToCell {
  readonly fields: readonly string[];
  readonly host: string;
  readonly contentLength: number | null;
  readonly chunked: boolean;
  readonly websocket: boolean;
  /** Whether Authorization held an API key: a raw key never goes on. */
  readonly stripAuthorization: boolean;
  readonly requestId: string;
  readonly traceparent: string;
  /** Whether the client's traceparent was taken over; a tracestate without it means nothing. */
  readonly traceContinued: boolean;
  readonly peer: string;
  /** Whether the peer is a proxy whose X-Forwarded-* are believed. */
  readonly peerTrusted: boolean;
  readonly secure: boolean;
}

/**
 * The fields of a request as a cell gets them, assertion and release record excepted: these change from try to try.
 * What the client sent under internal names is gone, and what we add stands whatever Connection says, for it is added afterwards.
 */
export function fieldsToCell(request: ToCell): string[] {
  const out: string[] = ["host", request.host];
  const dropped = nominated(request.fields);
  let forwardedFor = "";
  let forwardedHost = false;
  let forwardedProto = false;
  for (let index = 0; index < request.fields.length; index += 2) {
    const given = request.fields[index] as string;
    const value = request.fields[index + 1] as string;
    const name = given.toLowerCase();
    if (hopByHop.has(name) || own.has(name) || isInternal(name)) continue;
    if (dropped !== null && dropped.has(name)) continue;
    if (name === "authorization" && request.stripAuthorization) continue;
    if (name === "tracestate" && !request.traceContinued) continue;
    if (forwarding.has(name.replaceAll("_", "-"))) {
      if (!request.peerTrusted) continue;
      if (name === "x-forwarded-for") {
        forwardedFor = forwardedFor === "" ? value : `${forwardedFor}, ${value}`;
        continue;
      }
      if (name === "x-forwarded-host") forwardedHost = true;
      if (name === "x-forwarded-proto") forwardedProto = true;
    }
    out.push(given, value);
  }
  out.push("x-forwarded-for", forwardedFor === "" ? request.peer : `${forwardedFor}, ${request.peer}`);
  if (!forwardedHost) out.push("x-forwarded-host", request.host);
  if (!forwardedProto) out.push("x-forwarded-proto", request.secure ? "https" : "http");
  out.push(requestIdHeader, request.requestId, "traceparent", request.traceparent);
  if (request.chunked) out.push("transfer-encoding", "chunked");
  else if (request.contentLength !== null) out.push("content-length", String(request.contentLength));
  if (request.websocket) out.push("connection", "upgrade", "upgrade", "websocket");
  return out;
}

/** A cell's answer, taken apart: what goes to the client, and what is between the cell and us. */
export interface FromCell {
  readonly fields: string[];
  readonly release: string | null;
  readonly slot: Slot | null;
  /** Null when something may have been executed; else the reason, or empty. */
  readonly notExecuted: string | null;
  readonly leaseWord: string | null;
  /** Whether the length of the body is announced. */
  readonly hasLength: boolean;
}

/** @param websocket keeps Upgrade and Connection of a 101 answer. */
export function fieldsFromCell(raw: readonly string[], requestId: string, websocket = false): FromCell {
  const fields: string[] = [];
  const dropped = nominated(raw);
  let release: string | null = null;
  let slot: Slot | null = null;
  let notExecuted: string | null = null;
  let leaseWord: string | null = null;
  let hasLength = false;
  for (let index = 0; index < raw.length; index += 2) {
    const given = raw[index] as string;
    const value = raw[index + 1] as string;
    const name = given.toLowerCase();
    if (name === internalHeaders.release) release = value;
    else if (name === internalHeaders.slot) slot = slots.find((known) => known === value) ?? null;
    else if (name === internalHeaders.notExecuted) notExecuted = value;
    else if (name === internalHeaders.leaseWord || name === internalHeaders.releaseRecord) leaseWord = value;
    if (isInternal(name) || name === requestIdHeader || hopByHop.has(name)) continue;
    if (dropped !== null && dropped.has(name)) continue;
    if (name === "content-length") hasLength = true;
    fields.push(given, value);
  }
  fields.push(requestIdHeader, requestId);
  if (websocket) fields.push("connection", "Upgrade", "upgrade", "websocket");
  return { fields, release, slot, notExecuted, leaseWord, hasLength };
}
