import { isUtf8 } from "node:buffer";
import type { FastifyInstance } from "fastify";
import { httpError } from "./errors.ts";

/**
 * Levels of arrays and objects that a body may have. Far more than any schema here asks for, far less than what makes recursive code (schema checks,
 * `JSON.stringify`) run out of stack.
 */
const deepestJson = 64;

const quote = 0x22;
const backslash = 0x5c;
const openings = new Set([0x5b, 0x7b]);
const closings = new Set([0x5d, 0x7d]);

/** Whether a JSON text nests deeper than `limit` levels. Looks at each byte once and keeps no stack, whatever the text. */
export function isDeeperThan(json: Uint8Array, limit: number): boolean {
  let depth = 0;
  let inText = false;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at] as number;
    if (inText) {
      if (byte === backslash) at++;
      else if (byte === quote) inText = false;
    } else if (byte === quote) inText = true;
    else if (openings.has(byte)) {
      depth++;
      if (depth > limit) return true;
    } else if (closings.has(byte)) depth--;
  }
  return false;
}

/**
 * Reads bodies of `application/json`: valid UTF-8, at most 64 levels deep, without `__proto__` or `constructor.prototype`. Fastify alone
 * turns invalid UTF-8 into replacement characters, and has no limit of depth.
 */
export function readJsonStrictly(server: FastifyInstance): void {
  const parse = server.getDefaultJsonParser("error", "error");
  server.addContentTypeParser("application/json", { parseAs: "buffer" }, (request, body, done) => {
    const bytes = body as Buffer;
    if (!isUtf8(bytes)) return done(httpError("malformed-json", "The body is not valid UTF-8."));
    if (isDeeperThan(bytes, deepestJson))
      return done(httpError("malformed-json", `The body is nested deeper than ${deepestJson} levels.`));
    void parse(request, bytes.toString("utf8"), done);
  });
}
