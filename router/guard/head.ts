import { METHODS } from "node:http";
import type { CellplaneError } from "../../common/errors.ts";
import { fail } from "../errors.ts";
import { chunkedBody, noBody, type Framing } from "../wire/body-frame.ts";
import type { FieldBlock } from "../wire/field-block.ts";
import { Kind } from "../wire/field-names.ts";
import { RequestParser } from "../wire/request-parser.ts";

/** What else stands in a chunk with a head, up to here, is kept in memory with it as long as the request lasts. */
const besideBytes = 4 * 1024;

/** Reads heads once more that have been read before. */
const again = new RequestParser();

/** What a head's fields say, told apart. */
interface Told {
  readonly hostAt: number;
  readonly authorizationAt: number;
  readonly acceptAt: number;
  readonly traceparent: string | undefined;
  readonly requestId: string | undefined;
  readonly framing: Framing;
  readonly awaitsContinue: boolean;
  readonly websocket: boolean;
  readonly keepAlive: boolean;
  readonly connection: string | null;
  readonly target: string | null;
}

/**
 * A head that means one thing only. Of most requests no more is needed than what says where they go: the rest stays bytes, and is read once more where
 * it is asked for.
 */
export class CheckedHead {
  readonly method: string;
  readonly http10: boolean;
  /** Which of the fields is Host. */
  readonly hostAt: number;
  /** Which of the fields is Authorization; -1 without it. */
  readonly authorizationAt: number;
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
  readonly #acceptAt: number;
  /** In origin form; null where it came in that form. */
  readonly #target: string | null;
  readonly #parser: RequestParser;
  readonly #turn: number;
  readonly #bytes: Buffer;
  readonly #start: number;
  readonly #end: number;

  constructor(parser: RequestParser, told: Told) {
    this.method = parser.method;
    this.http10 = parser.http10;
    this.hostAt = told.hostAt;
    this.authorizationAt = told.authorizationAt;
    this.traceparent = told.traceparent;
    this.requestId = told.requestId;
    this.framing = told.framing;
    this.awaitsContinue = told.awaitsContinue;
    this.websocket = told.websocket;
    this.keepAlive = told.keepAlive;
    this.connection = told.connection;
    this.#acceptAt = told.acceptAt;
    this.#target = told.target;
    this.#parser = parser;
    this.#turn = parser.fields.turn;
    const { bytes, start, end } = parser;
    const alone = bytes.length - (end - start) > besideBytes;
    this.#bytes = alone ? Buffer.from(bytes.subarray(start, end)) : bytes;
    this.#start = alone ? 0 : start;
    this.#end = this.#start + end - start;
  }

  /** In origin form: path and query; `*` for a server-wide OPTIONS. */
  get target(): string {
    return this.#target ?? this.#read().target;
  }
  /** The Host field as received, to be passed on; what name it holds, if any, is for `hostName` to say. */
  get hostField(): string {
    return this.fields.value(this.hostAt);
  }
  get accept(): string | undefined {
    return this.#acceptAt < 0 ? undefined : this.fields.value(this.#acceptAt);
  }
  /** Whether the request line can go to the cell as it came: HTTP/1.1 and origin form. */
  get lineStands(): boolean {
    return this.#target === null && !this.http10;
  }
  /** The fields, to be read at once. */
  get fields(): FieldBlock {
    return this.#read().fields;
  }

  #read(): RequestParser {
    if (this.#parser.fields.turn === this.#turn) return this.#parser;
    again.parse(this.#bytes, this.#start, this.#end);
    return again;
  }
}

/** Methods that a cell's parser knows: any other would be a broken request to it. TRACE and CONNECT speak to proxies (RFC 9110, section 9.3). */
const methods = new Set(METHODS.filter((method) => method !== "TRACE" && method !== "CONNECT"));

const bad = (detail: string) => fail("malformed-request", detail);

/**
 * Refuses every head that two readers could take for two different messages (RFC 9112, sections 3.2, 6.1, 6.3), and what no tenant needs.
 * The parser before it has already refused what is no HTTP at all.
 * @throws CellplaneError malformed-request, method-not-supported, expectation-failed
 */
export function checkHead(head: RequestParser): CheckedHead {
  const { method, fields, http10 } = head;
  if (!methods.has(method)) throw fail("method-not-supported", `${method} is not passed on.`);
  let hostAt = -1;
  let authorizationAt = -1;
  let acceptAt = -1;
  let lengthAt = -1;
  let transferEncoding: string | undefined;
  let upgrade: string | undefined;
  let connection: string | null = null;
  let expect: string | undefined;
  let traceparent: string | undefined;
  let traces = 0;
  let requestId: string | undefined;
  let requestIds = 0;
  for (let index = 0; index < fields.count; index += 1) {
    switch (fields.kind(index)) {
      case Kind.pass:
        break;
      case Kind.host:
        hostAt = once(hostAt, fields, index);
        break;
      case Kind.authorization:
        authorizationAt = once(authorizationAt, fields, index);
        break;
      case Kind.contentLength:
        lengthAt = once(lengthAt, fields, index);
        break;
      case Kind.transferEncoding:
        if (transferEncoding !== undefined) throw twice(fields, index);
        transferEncoding = fields.value(index);
        break;
      case Kind.expect:
        if (expect !== undefined) throw twice(fields, index);
        expect = fields.value(index);
        break;
      case Kind.upgrade:
        upgrade = upgrade === undefined ? fields.value(index) : `${upgrade}, ${fields.value(index)}`;
        break;
      case Kind.connection:
        connection = connection === null ? fields.value(index) : `${connection}, ${fields.value(index)}`;
        break;
      case Kind.accept:
        if (acceptAt < 0) acceptAt = index;
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
  if (expect !== undefined && expect.toLowerCase() !== "100-continue")
    throw fail("expectation-failed", "Only `Expect: 100-continue` is known.");
  return new CheckedHead(head, {
    hostAt,
    authorizationAt,
    acceptAt,
    traceparent,
    requestId,
    framing: checkFraming(transferEncoding, fields, lengthAt, http10),
    awaitsContinue: expect !== undefined && !http10,
    websocket: method === "GET" && !http10 && upgrade?.toLowerCase() === "websocket" && lists(connection, "upgrade"),
    keepAlive: !http10 && !lists(connection, "close"),
    connection,
    target: head.plain ? null : checkTarget(head, fields.value(hostAt)),
  });
}

/** @param before which of the fields was the first of its name; -1 where this one is. */
function once(before: number, fields: FieldBlock, index: number): number {
  if (before >= 0) throw twice(fields, index);
  return index;
}

function twice(fields: FieldBlock, index: number): CellplaneError {
  return bad(`There are two ${fields.name(index)} fields.`);
}

/** Whether a Connection field names a word. */
export function lists(connection: string | null, word: string): boolean {
  return connection !== null && connection.split(",").some((item) => item.trim().toLowerCase() === word);
}

function checkFraming(encoding: string | undefined, fields: FieldBlock, lengthAt: number, http10: boolean): Framing {
  if (encoding !== undefined) {
    if (http10) throw bad("Transfer-Encoding belongs to HTTP/1.1.");
    if (lengthAt >= 0) throw bad("Content-Length and Transfer-Encoding contradict each other.");
    if (encoding.toLowerCase() !== "chunked") throw bad("The only Transfer-Encoding taken is `chunked`.");
    return chunkedBody;
  }
  if (lengthAt < 0) return noBody;
  const bytes = fields.decimal(lengthAt);
  if (Number.isNaN(bytes)) throw bad("Content-Length is not a number of bytes.");
  return { kind: "length", bytes };
}

/** @returns the target in origin form; null where that is how it came. */
function checkTarget({ method, target }: RequestParser, hostField: string): string | null {
  if (target === "*") {
    if (method !== "OPTIONS") throw bad("The target `*` belongs to OPTIONS.");
    return null;
  }
  const origin = target.startsWith("/") ? target : originOf(target, hostField);
  checkPath(origin);
  return origin === target ? null : origin;
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
