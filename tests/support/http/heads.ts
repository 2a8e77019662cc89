import assert from "node:assert/strict";
import { RequestParser } from "../../../router/wire/request-parser.ts";

/** What of a request is another than `GET / HTTP/1.1` with a Host. */
export interface Given {
  readonly method?: string;
  readonly target?: string;
  readonly version?: string;
  /** Name, value, name, value, … */
  readonly fields?: readonly string[];
}

/** A request's head as bytes, parsed. @throws what the parser throws. */
export function parsedHead({
  method = "GET",
  target = "/",
  version = "1.1",
  fields = ["Host", "acme.example"],
}: Given = {}): RequestParser {
  const parser = new RequestParser();
  const bytes = Buffer.from(`${method} ${target} HTTP/${version}\r\n${linesOf(fields)}\r\n`, "latin1");
  assert.equal(parser.parse(bytes, 0, bytes.length), bytes.length);
  return parser;
}

/** @param fields name, value, name, value, … */
export function linesOf(fields: readonly string[]): string {
  let lines = "";
  for (let index = 0; index < fields.length; index += 2) lines += `${fields[index]}: ${fields[index + 1]}\r\n`;
  return lines;
}
