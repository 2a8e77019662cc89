import { METHODS } from "node:http";
import type { CellplaneError } from "../../common/errors.ts";
import { fail } from "../errors.ts";
import { chunkedBody, noBody, type Framing } from "../wire/body-frame.ts";
import { decimalOf } from "../wire/decimal.ts";
import type { FieldBlock } from "../wire/field-block.ts";
import { Kind } from "../wire/field-names.ts";

/** The head of a request as a parser gave it. */
export interface RequestHead {
  readonly method: string;
  readonly target: string;
  /** Whether it is HTTP/1.0; 1.1 otherwise. */
  readonly http10: boolean;
  /** Whether the target holds a dot, a percent sign or a backslash. */
  readonly unplain: boolean;
  readonly fields: FieldBlock;
}

/** A head that means one thing only. */
export interface CheckedHead {
  readonly method: string;
  /** In origin form: path and query; `*` for a server-wide OPTIONS. */
  readonly target: string;
  readonly http10: boolean;
  /** The Host field as received, to be passed on; what name it holds, if any, is for `hostName` to say. */
  readonly hostField: string;
  /** Which of the fields it is. */
  readonly hostAt: number;
  /** Which of the fields is Authorization; -1 without it. */
  readonly authorizationAt: number;
  readonly accept: string | undefined;
  readonly traceparent: string | undefined;
  readonly requestId: string | undefined;
  readonly framing: Framing;
  /** Whether the client waits for 100 before it sends the body. */
  readonly awaitsContinue: boolean;
  /** Whether the client asks for a WebSocket. */
  readonly websocket: boolean;
  /** Whether the connection can go on after the answer, for all that the client says. */
  readonly keepAlive: boolean;
  /** What Connection holds; names in it go no further. Null without it. */
  readonly connection: string | null;
}

/** Methods that a cell's parser knows: any other would be a broken request to it. TRACE and CONNECT speak to proxies (RFC 9110, section 9.3). */
const methods = new Set(METHODS.filter((method) => method !== "TRACE" && method !== "CONNECT"));

const bad = (detail: string) => fail("malformed-request", detail);

/**
 * Refuses every head that two readers could take for two different messages (RFC 9112, sections 3.2, 6.1, 6.3), and what no tenant needs.
 * The parser before it has already refused what is no HTTP at all.
 * @throws CellplaneError malformed-request, method-not-supported, expectation-failed
 */
export function checkHead(head: RequestHead): CheckedHead {
  const { method, fields, http10 } = head;
  if (!methods.has(method)) throw fail("method-not-supported", `${method} is not passed on.`);
  let hostAt = -1;
  let authorizationAt = -1;
  let contentLength: string | undefined;
  let transferEncoding: string | undefined;
  let upgrade: string | undefined;
  let connection: string | null = null;
  let expect: string | undefined;
  let accept: string | undefined;
  let traceparent: string | undefined;
  let traces = 0;
  let requestId: string | undefined;
  let requestIds = 0;
  for (let index = 0; index < fields.count; index += 1) {
    switch (fields.kind(index)) {
      case Kind.pass:
        break;
      case Kind.host:
        if (hostAt >= 0) throw twice(fields, index);
        hostAt = index;
        break;
      case Kind.authorization:
        if (authorizationAt >= 0) throw twice(fields, index);
        authorizationAt = index;
        break;
      case Kind.contentLength:
        contentLength = once(contentLength, fields, index);
        break;
      case Kind.transferEncoding:
        transferEncoding = once(transferEncoding, fields, index);
        break;
      case Kind.expect:
        expect = once(expect, fields, index);
        break;
      case Kind.upgrade:
        upgrade = upgrade === undefined ? fields.value(index) : `${upgrade}, ${fields.value(index)}`;
        break;
      case Kind.connection:
        connection = connection === null ? fields.value(index) : `${connection}, ${fields.value(index)}`;
        break;
      case Kind.accept:
        accept ??= fields.value(index);
        break;
      case Kind.traceparent:
        traces += 1;
        traceparent = traces === 1 ? fields.value(index) : undefined;
        break;
      case Kind.requestId:
        requestIds += 1;
        requestId = requestIds === 1 ? fields.value(index) : undefined;
        break;
      default:
        break;
    }
  }
  if (hostAt < 0) throw bad("There is no Host field.");
  const hostField = fields.value(hostAt);
  if (expect !== undefined && expect.toLowerCase() !== "100-continue")
    throw fail("expectation-failed", "Only `Expect: 100-continue` is known.");
  return {
    method,
    target: checkTarget(head, hostField),
    http10,
    hostField,
    hostAt,
    authorizationAt,
    accept,
    traceparent,
    requestId,
    framing: checkFraming(transferEncoding, contentLength, http10),
    awaitsContinue: expect !== undefined && !http10,
    websocket: method === "GET" && !http10 && upgrade?.toLowerCase() === "websocket" && lists(connection, "upgrade"),
    keepAlive: !http10 && !lists(connection, "close"),
    connection,
  };
}

function once(before: string | undefined, fields: FieldBlock, index: number): string {
  if (before !== undefined) throw twice(fields, index);
  return fields.value(index);
}

function twice(fields: FieldBlock, index: number): CellplaneError {
  return bad(`There are two ${fields.name(index)} fields.`);
}

/** Whether a Connection field names a word. */
export function lists(connection: string | null, word: string): boolean {
  return connection !== null && connection.split(",").some((item) => item.trim().toLowerCase() === word);
}

function checkFraming(encoding: string | undefined, length: string | undefined, http10: boolean): Framing {
  if (encoding !== undefined) {
    if (http10) throw bad("Transfer-Encoding belongs to HTTP/1.1.");
    if (length !== undefined) throw bad("Content-Length and Transfer-Encoding contradict each other.");
    if (encoding.toLowerCase() !== "chunked") throw bad("The only Transfer-Encoding taken is `chunked`.");
    return chunkedBody;
  }
  if (length === undefined) return noBody;
  const bytes = decimalOf(length);
  if (Number.isNaN(bytes)) throw bad("Content-Length is not a number of bytes.");
  return { kind: "length", bytes };
}

const slash = 0x2f;

function checkTarget({ method, target, unplain }: RequestHead, hostField: string): string {
  if (target === "*") {
    if (method !== "OPTIONS") throw bad("The target `*` belongs to OPTIONS.");
    return target;
  }
  const origin = target.charCodeAt(0) === slash ? target : originOf(target, hostField);
  if (unplain || origin.charCodeAt(1) === slash) checkPath(origin);
  return origin;
}

/** Absolute form (RFC 9112, section 3.2.2): the authority must be the Host's, or two readers would see two hosts. */
function originOf(target: string, hostField: string): string {
  const match = /^https?:\/\/([^/?#]*)(.*)$/i.exec(target);
  if (match === null) throw bad("The target is neither a path nor an http URI.");
  if (match[1]?.toLowerCase() !== hostField.toLowerCase())
    throw bad("The target names another host than the Host field.");
  const rest = match[2] ?? "";
  return rest.startsWith("/") ? rest : `/${rest}`;
}

/** `..` and `//` at the front mean different things to different readers; `%252e` is the literal text `%2e` and stays. */
function checkPath(origin: string): void {
  if (origin.startsWith("//")) throw bad("The path begins with two slashes.");
  const query = origin.indexOf("?");
  const path = query < 0 ? origin : origin.slice(0, query);
  if (path.includes("\\")) throw bad("The path holds a backslash.");
  if (!path.includes("..") && !path.includes("%")) return;
  for (const segment of path.split("/")) {
    const plain = segment.replace(/%2e/gi, ".").replace(/%(2f|5c)/gi, "/");
    if (plain.split("/").includes("..")) throw bad("The path steps up.");
  }
}
