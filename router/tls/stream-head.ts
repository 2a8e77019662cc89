import type { IncomingHttpHeaders } from "node:http2";

/** A request of HTTP/2 as the head of one of HTTP/1.1. */
export interface StreamHead {
  readonly method: string;
  /** Whether the body has no length of its own. */
  readonly chunked: boolean;
  readonly text: string;
}

/**
 * Writes the fields of a stream down as HTTP/1.1 has them (RFC 9113, section 8.3.1, and RFC 9110, section 3.9). It checks nothing: what comes out is
 * read by the same parser as any other request, and refused by it. A Host that is not the authority becomes a second Host field, which is a 400.
 * @param headers as node:http2 gives them: names in lower case, no CR or LF in values. @param ended whether there is no body.
 */
export function headOfStream(headers: IncomingHttpHeaders, ended: boolean): StreamHead {
  const method = String(headers[":method"] ?? "");
  const authority = headers[":authority"];
  let text = `${method} ${String(headers[":path"] ?? "")} HTTP/1.1\r\n`;
  if (authority !== undefined) text += `host: ${authority}\r\n`;
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(":") || value === undefined || name === "transfer-encoding") continue;
    if (name === "host" && value === authority) continue;
    for (const each of Array.isArray(value) ? value : [value]) text += `${name}: ${each}\r\n`;
  }
  const chunked = !ended && headers["content-length"] === undefined;
  // One request on each: an end without a length is never needed.
  text += chunked ? "transfer-encoding: chunked\r\nconnection: close\r\n\r\n" : "connection: close\r\n\r\n";
  return { method, chunked, text };
}
