import { internalHeaders, requestIdHeader } from "../../common/contracts/headers.ts";
import { slots, type Slot } from "../../common/contracts/lease.ts";
import type { AnswerHead } from "../wire/answer-head.ts";
import type { FieldBlock } from "../wire/field-block.ts";
import { isInternal, Kind } from "../wire/field-names.ts";
import type { CheckedHead } from "./head.ts";

/** Names that a Connection field declares as hop-by-hop; null where there are none. */
function nominated(connection: string | null): Set<string> | null {
  if (connection === null || connection === "keep-alive" || connection === "close") return null;
  let found: Set<string> | null = null;
  for (const item of connection.split(",")) {
    const word = item.trim().toLowerCase();
    if (word === "" || word === "keep-alive" || word === "close" || word === "upgrade") continue;
    found ??= new Set();
    found.add(word);
  }
  return found;
}

export interface ToCell {
  readonly head: CheckedHead;
  /** Whether the request line can go to the cell as it came: HTTP/1.1 and origin form. */
  readonly lineStands: boolean;
  /** Of the parser; read here and not kept. */
  readonly fields: FieldBlock;
  /** Whether Authorization held an API key: a raw key never goes on. */
  readonly stripAuthorization: boolean;
  readonly requestId: string;
  readonly traceparent: string;
  /** Whether the client's traceparent was taken over; a tracestate without it means nothing. */
  readonly traceContinued: boolean;
  readonly peer: string;
  /** Whether the peer is a proxy whose X-Forwarded-* are believed. */
  readonly peerTrusted: boolean;
  /** How the client came to us. */
  readonly proto: "http" | "https";
}

/**
 * The head of a request as a cell gets it, up to where assertion and release record follow: these change from try to try.
 * What goes through unchanged is copied in runs of whole lines. What the client sent under internal names is gone, and what we add stands
 * whatever Connection says, for it is added afterwards.
 */
export function headToCell(request: ToCell): string {
  const { head, fields, peerTrusted } = request;
  const dropped = nominated(head.connection);
  // In origin form the request line goes through as it came; else one is made.
  let run = request.lineStands ? 0 : -1;
  let out = request.lineStands ? "" : `${head.method} ${head.target} HTTP/1.1\r\n`;
  let forwardedFor = "";
  let forwardedHost = false;
  let forwardedProto = false;
  for (let index = 0; index < fields.count; index += 1) {
    const kind = fields.kind(index);
    let keep = kind === Kind.pass || passesToCell(kind, request);
    if (keep && dropped !== null && kind !== Kind.host && dropped.has(fields.name(index))) keep = false;
    if (keep && peerTrusted && kind >= Kind.forwardedFor && kind <= Kind.forwardedProto) {
      if (kind === Kind.forwardedFor) {
        forwardedFor = forwardedFor === "" ? fields.value(index) : `${forwardedFor}, ${fields.value(index)}`;
        keep = false;
      } else if (kind === Kind.forwardedHost) forwardedHost = true;
      else forwardedProto = true;
    }
    if (keep) {
      if (run < 0) run = fields.lineAt(index);
    } else if (run >= 0) {
      out += fields.text.slice(run, fields.lineAt(index));
      run = -1;
    }
  }
  if (run >= 0) out += fields.text.slice(run, fields.lineAt(fields.count));
  out += `x-forwarded-for: ${forwardedFor === "" ? request.peer : `${forwardedFor}, ${request.peer}`}\r\n`;
  if (!forwardedHost) out += `x-forwarded-host: ${head.hostField}\r\n`;
  if (!forwardedProto) out += `x-forwarded-proto: ${request.proto}\r\n`;
  out += `${requestIdHeader}: ${request.requestId}\r\ntraceparent: ${request.traceparent}\r\n`;
  if (head.framing.kind === "chunked") out += "transfer-encoding: chunked\r\n";
  else if (head.framing.kind === "length") out += `content-length: ${head.framing.bytes}\r\n`;
  if (head.websocket) out += "connection: upgrade\r\nupgrade: websocket\r\n";
  return out;
}

function passesToCell(kind: Kind, request: ToCell): boolean {
  switch (kind) {
    case Kind.host:
    case Kind.accept:
    case Kind.contentType:
    case Kind.date:
      return true;
    case Kind.authorization:
      return !request.stripAuthorization;
    case Kind.tracestate:
      return request.traceContinued;
    case Kind.forwarding:
    case Kind.forwardedFor:
    case Kind.forwardedHost:
    case Kind.forwardedProto:
      return request.peerTrusted;
    default:
      return false;
  }
}

/** The end of a request's head: what changes from try to try. */
export function headEndToCell(assertionLine: string, record: string | undefined): string {
  if (record === undefined) return `${assertionLine}\r\n`;
  return `${assertionLine}${internalHeaders.releaseRecord}: ${record}\r\n\r\n`;
}

/** A cell's answer, taken apart: what goes to the client, and what is between the cell and us. */
export interface FromCell {
  /** The status line and fields for the client, without framing of ours and without the empty line. */
  readonly lines: string;
  readonly release: string | null;
  readonly slot: Slot | null;
  /** Null when something may have been executed; else the reason, or empty. */
  readonly notExecuted: string | null;
  readonly leaseWord: string | null;
  /** The route, where the cell says that it may go to any. */
  readonly stateless: string | null;
  /** Whether it is a stream of server-sent events, which has no end of its own. */
  readonly eventStream: boolean;
  readonly dated: boolean;
}

/** @param keepLength false where an answer of this status has no length whatever it says (RFC 9110, section 8.6). */
export function fieldsFromCell(head: AnswerHead, keepLength: boolean): FromCell {
  const { fields } = head;
  const dropped = nominated(head.connection);
  // The status line goes through as it came, in our version.
  let lines = head.http10 ? `HTTP/1.1${fields.text.slice("HTTP/1.0".length, fields.lineAt(0))}` : "";
  let run = head.http10 ? -1 : 0;
  let release: string | null = null;
  let slot: Slot | null = null;
  let notExecuted: string | null = null;
  let leaseWord: string | null = null;
  let stateless: string | null = null;
  let eventStream = false;
  let dated = false;
  for (let index = 0; index < fields.count; index += 1) {
    const kind = fields.kind(index);
    let keep = kind === Kind.pass;
    if (!keep) {
      if (kind === Kind.release) release = fields.value(index);
      else if (kind === Kind.slot) slot = slots.find((known) => known === fields.value(index)) ?? null;
      else if (kind === Kind.notExecuted) notExecuted = fields.value(index);
      else if (kind === Kind.leaseWord) leaseWord = fields.value(index);
      else if (kind === Kind.stateless) stateless = fields.value(index);
      else if (kind === Kind.date) dated = true;
      else if (kind === Kind.contentType) eventStream = fields.value(index).startsWith("text/event-stream");
      keep = passesToClient(kind, keepLength);
    }
    // The length is how the client finds the end of the answer: no Connection field may take it away.
    if (keep && kind !== Kind.contentLength && dropped !== null && dropped.has(fields.name(index))) keep = false;
    if (keep) {
      if (run < 0) run = fields.lineAt(index);
    } else if (run >= 0) {
      lines += fields.text.slice(run, fields.lineAt(index));
      run = -1;
    }
  }
  if (run >= 0) lines += fields.text.slice(run, fields.lineAt(fields.count));
  return { lines, release, slot, notExecuted, leaseWord, stateless, eventStream, dated };
}

function passesToClient(kind: Kind, keepLength: boolean): boolean {
  if (isInternal(kind)) return false;
  switch (kind) {
    case Kind.hop:
    case Kind.connection:
    case Kind.transferEncoding:
    case Kind.upgrade:
    case Kind.expect:
    case Kind.requestId:
      return false;
    case Kind.contentLength:
      return keepLength;
    default:
      return true;
  }
}
