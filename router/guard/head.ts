import { fail } from "../errors.ts";
import { hostName } from "../table/host.ts";

/** The head of a request as it came from the wire, whatever parsed it. */
export interface RequestHead {
  readonly method: string;
  readonly target: string;
  /** `1.1` or `1.0`; anything else is refused. */
  readonly version: string;
  /** Name, value, name, value, …, as received, duplicates and order kept. */
  readonly fields: readonly string[];
  /** Address of the peer of the connection. */
  readonly peer: string;
  /** Whether the connection is TLS. */
  readonly secure: boolean;
}

/** A head that means one thing only. */
export interface CheckedHead {
  readonly method: string;
  /** In origin form: path and query; `*` for a server-wide OPTIONS. */
  readonly target: string;
  /** The Host field as received, to be passed on. */
  readonly hostField: string;
  /** The host's name in lower case, without port. */
  readonly host: string;
  readonly authorization: string | undefined;
  /** Bytes of the body that are announced; null where none are. */
  readonly contentLength: number | null;
  readonly chunked: boolean;
  /** Whether the client asks for a WebSocket. */
  readonly websocket: boolean;
}

const bad = (detail: string) => fail("malformed-request", detail);

/**
 * Refuses every head that two readers could take for two different messages (RFC 9112, sections 3.2, 6.1, 6.3), and what no tenant needs.
 * The parser before it has already refused what is no HTTP at all.
 * @throws CellplaneError malformed-request, method-not-supported, version-not-supported
 */
export function checkHead(head: RequestHead): CheckedHead {
  if (head.version !== "1.1" && head.version !== "1.0")
    throw fail("version-not-supported", `HTTP/${head.version} is not spoken here.`);
  if (head.method === "TRACE" || head.method === "CONNECT")
    throw fail("method-not-supported", `${head.method} is not passed on.`);
  const single = collectSingles(head.fields);
  const hostField = single.host;
  if (hostField === undefined) throw bad("There is no Host field.");
  const host = hostName(hostField);
  if (host === null) throw bad("The Host field is not a host name.");
  const chunked = checkTransferEncoding(single, head.version);
  return {
    method: head.method,
    target: checkTarget(head.method, head.target, hostField),
    hostField,
    host,
    authorization: single.authorization,
    contentLength: checkContentLength(single["content-length"]),
    chunked,
    websocket:
      head.method === "GET" && single.upgrade?.toLowerCase() === "websocket" && names(single.connection, "upgrade"),
  };
}

type Singles = Partial<
  Record<"host" | "authorization" | "content-length" | "transfer-encoding" | "upgrade" | "connection", string>
>;

function collectSingles(fields: readonly string[]): Singles {
  const found: Singles = {};
  for (let index = 0; index < fields.length; index += 2) {
    const name = (fields[index] as string).toLowerCase();
    const value = fields[index + 1] as string;
    switch (name) {
      case "host":
      case "authorization":
      case "content-length":
      case "transfer-encoding":
        if (found[name] !== undefined) throw bad(`There are two ${name} fields.`);
        found[name] = value;
        break;
      case "upgrade":
      case "connection":
        found[name] = found[name] === undefined ? value : `${found[name]}, ${value}`;
        break;
      default:
        break;
    }
  }
  return found;
}

function names(list: string | undefined, word: string): boolean {
  return list !== undefined && list.split(",").some((item) => item.trim().toLowerCase() === word);
}

function checkTransferEncoding(single: Singles, version: string): boolean {
  const encoding = single["transfer-encoding"];
  if (encoding === undefined) return false;
  if (version !== "1.1") throw bad("Transfer-Encoding belongs to HTTP/1.1.");
  if (single["content-length"] !== undefined) throw bad("Content-Length and Transfer-Encoding contradict each other.");
  if (encoding.trim().toLowerCase() !== "chunked") throw bad("The only Transfer-Encoding taken is `chunked`.");
  return true;
}

function checkContentLength(field: string | undefined): number | null {
  if (field === undefined) return null;
  const length = /^[0-9]{1,16}$/.test(field) ? Number(field) : Number.NaN;
  if (!Number.isSafeInteger(length)) throw bad("Content-Length is not a number of bytes.");
  return length;
}

function checkTarget(method: string, target: string, hostField: string): string {
  if (target === "*") {
    if (method !== "OPTIONS") throw bad("The target `*` belongs to OPTIONS.");
    return target;
  }
  const origin = target.startsWith("/") ? target : originOf(target, hostField);
  if (!/^[\x21-\x7e]+$/.test(origin) || origin.includes("#")) throw bad("The target holds letters that no URI has.");
  checkPath(origin);
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
