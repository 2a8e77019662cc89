import { internalHeaders } from "../../common/contracts/headers.ts";
import { slots, type Slot } from "../../common/contracts/lease.ts";
import type { AnswerHead } from "../wire/answer-head.ts";
import type { FieldBlock } from "../wire/field-block.ts";
import { isInternal, Kind } from "../wire/field-names.ts";
import type { Gather } from "../wire/gather.ts";
import type { CheckedHead } from "./head.ts";
import type { Ids } from "./trace.ts";

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

/** Who sends a request, as far as its cell hears of it. */
export interface Sender {
  readonly peer: string;
  /** Whether the peer is a proxy whose X-Forwarded-* are believed. */
  readonly peerTrusted: boolean;
  /** How the client came to us. */
  readonly proto: "http" | "https";
  /** What a cell hears of a peer that is not trusted: `x-forwarded-for`, `x-forwarded-proto` and the name of the next, whose value is the Host. */
  readonly forwardedLines: Buffer;
}

/** What the lines of a peer that is not trusted are. */
export function forwardedLines(peer: string, proto: string): Buffer {
  return Buffer.from(`x-forwarded-for: ${peer}\r\nx-forwarded-proto: ${proto}\r\nx-forwarded-host: `, "latin1");
}

const newLine = Buffer.from("\r\n");
const chunkedLine = Buffer.from("transfer-encoding: chunked\r\n");
const webSocketLines = Buffer.from("connection: upgrade\r\nupgrade: websocket\r\n");

/**
 * Puts the head of a request as a cell gets it behind what has gathered, up to where assertion and release record follow: these change from try to try.
 * What goes through unchanged is copied in runs of whole lines. What the client sent under internal names is gone, and what we add stands
 * whatever Connection says, for it is added afterwards.
 * @param stripAuthorization whether Authorization held an API key: a raw key never goes on.
 */
export function headToCell(
  head: CheckedHead,
  ids: Ids,
  sender: Sender,
  stripAuthorization: boolean,
  out: Gather,
): void {
  const { fields } = head;
  const request = { head, ids, sender, stripAuthorization };
  linesToCell(request, fields, out);
  if (sender.peerTrusted) forwardedOf(request, fields, out);
  else {
    out.all(sender.forwardedLines);
    fields.copyValue(head.hostAt, out);
    out.all(newLine);
  }
  ids.bothLines(out);
  if (head.framing.kind === "chunked") out.all(chunkedLine);
  else if (head.framing.kind === "length") out.text(`content-length: ${head.framing.bytes}\r\n`);
  if (head.websocket) out.all(webSocketLines);
}

/** The end of a request's head, behind the line of its assertion. @param record the release record by which the owner was learned. */
export function endOfHead(record: string | undefined, out: Gather): void {
  if (record !== undefined) out.text(`${internalHeaders.releaseRecord}: ${record}\r\n`);
  out.all(newLine);
}

interface ToCell {
  readonly head: CheckedHead;
  readonly ids: Ids;
  readonly sender: Sender;
  readonly stripAuthorization: boolean;
}

/** The request line and all lines that pass. In origin form the request line goes through as it came; else one is made. */
function linesToCell(request: ToCell, fields: FieldBlock, out: Gather): void {
  const { head } = request;
  const dropped = nominated(head.connection);
  let run = head.lineStands ? 0 : -1;
  if (run < 0) out.text(`${head.method} ${head.target} HTTP/1.1\r\n`);
  const { count } = fields;
  for (let index = 0; index < count; index += 1) {
    const kind = fields.kind(index);
    let keep = kind === Kind.pass || passesToCell(kind, request);
    if (keep && dropped !== null && kind !== Kind.host && dropped.has(fields.name(index))) keep = false;
    if (keep) {
      if (run < 0) run = fields.lineAt(index);
    } else if (run >= 0) {
      fields.copy(run, fields.lineAt(index), out);
      run = -1;
    }
  }
  if (run >= 0) fields.copy(run, fields.lineAt(count), out);
}

/** Where a trusted proxy speaks for somebody else, what it says is kept, and its address appended. */
function forwardedOf({ head, sender }: ToCell, fields: FieldBlock, out: Gather): void {
  const dropped = nominated(head.connection);
  let forwardedFor = "";
  let forwardedHost = false;
  let forwardedProto = false;
  for (let index = 0; index < fields.count; index += 1) {
    const kind = fields.kind(index);
    if (dropped !== null && dropped.has(fields.name(index))) continue;
    if (kind === Kind.forwardedFor)
      forwardedFor = forwardedFor === "" ? fields.value(index) : `${forwardedFor}, ${fields.value(index)}`;
    else if (kind === Kind.forwardedHost) forwardedHost = true;
    else if (kind === Kind.forwardedProto) forwardedProto = true;
  }
  out.text(`x-forwarded-for: ${forwardedFor === "" ? sender.peer : `${forwardedFor}, ${sender.peer}`}\r\n`);
  if (!forwardedHost) out.text(`x-forwarded-host: ${fields.value(head.hostAt)}\r\n`);
  if (!forwardedProto) out.text(`x-forwarded-proto: ${sender.proto}\r\n`);
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
      // Without the traceparent that it belongs to it means nothing.
      return request.ids.givenTrace !== null;
    case Kind.forwarding:
    case Kind.forwardedHost:
    case Kind.forwardedProto:
      return request.sender.peerTrusted;
    default:
      return false;
  }
}

/** What a cell's answer says between the cell and us. It is used again for the next one. */
export class FromCell {
  release: string | null = null;
  slot: Slot | null = null;
  /** Null when something may have been executed; else the reason, or empty. */
  notExecuted: string | null = null;
  leaseWord: string | null = null;
  /** The route, where the cell says that it may go to any. */
  stateless: string | null = null;
  /** Whether it is a stream of server-sent events, which has no end of its own. */
  eventStream = false;
  dated = false;
}

const read = new FromCell();
const slotBytes = slots.map((name) => ({ name, bytes: Buffer.from(name) }));
const eventStreamBytes = Buffer.from("text/event-stream");
/** The release that was named last, nearly always the next one too: its name is not cut out again. */
let lastRelease: { readonly name: string; readonly bytes: Uint8Array } = { name: "", bytes: new Uint8Array() };

/** @returns valid until the next call. */
export function wordsOfCell({ fields }: AnswerHead): FromCell {
  read.release = null;
  read.slot = null;
  read.notExecuted = null;
  read.leaseWord = null;
  read.stateless = null;
  read.eventStream = false;
  read.dated = false;
  const { count } = fields;
  for (let index = 0; index < count; index += 1) {
    switch (fields.kind(index)) {
      case Kind.release:
        read.release = releaseAt(fields, index);
        break;
      case Kind.slot:
        read.slot = slotBytes.find(({ bytes }) => fields.valueIs(index, bytes))?.name ?? null;
        break;
      case Kind.notExecuted:
        read.notExecuted = fields.value(index);
        break;
      case Kind.leaseWord:
        read.leaseWord = fields.value(index);
        break;
      case Kind.stateless:
        read.stateless = fields.value(index);
        break;
      case Kind.date:
        read.dated = true;
        break;
      case Kind.contentType:
        read.eventStream = fields.valueBegins(index, eventStreamBytes);
        break;
      default:
        break;
    }
  }
  return read;
}

function releaseAt(fields: FieldBlock, index: number): string {
  if (!fields.valueIs(index, lastRelease.bytes))
    lastRelease = { name: fields.value(index), bytes: fields.valueBytes(index) };
  return lastRelease.name;
}

/**
 * Puts the status line and the fields of an answer behind what has gathered, as the client gets them: without framing of ours and without the empty line.
 * @param keepLength false where an answer of this status has no length whatever it says (RFC 9110, section 8.6).
 */
export function linesToClient(head: AnswerHead, keepLength: boolean, out: Gather): void {
  const { fields } = head;
  const { count } = fields;
  const dropped = nominated(head.connection);
  // The status line goes through as it came, in our version.
  let run = 0;
  if (head.http10) {
    out.text("HTTP/1.1");
    run = "HTTP/1.0".length;
  }
  for (let index = 0; index < count; index += 1) {
    const kind = fields.kind(index);
    let keep = kind === Kind.pass || passesToClient(kind, keepLength);
    // The length is how the client finds the end of the answer: no Connection field may take it away.
    if (keep && kind !== Kind.contentLength && dropped !== null && dropped.has(fields.name(index))) keep = false;
    if (keep) {
      if (run < 0) run = fields.lineAt(index);
    } else if (run >= 0) {
      fields.copy(run, fields.lineAt(index), out);
      run = -1;
    }
  }
  if (run >= 0) fields.copy(run, fields.lineAt(count), out);
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
