import { CellplaneError } from "../../../common/errors.ts";
import { checkHead } from "../../../router/guard/head.ts";
import { hostName } from "../../../router/table/host.ts";
import { BodyFrame } from "../../../router/wire/body-frame.ts";
import { BadBytes } from "../../../router/wire/field-block.ts";
import { RequestParser } from "../../../router/wire/request-parser.ts";

/** A request as a reader of bytes understood it. */
export interface Understood {
  readonly method: string;
  readonly target: string;
  /** Name, value, …, spelling and order kept. */
  readonly fields: readonly string[];
  readonly body: string;
}

export interface Reading {
  /** Whole requests, in order. */
  readonly requests: Understood[];
  /** What ended the reading: an error's code; null where the bytes came to their end. */
  readonly refused: string | null;
}

/** What the router's parser, head check and body frame make of a connection's bytes. */
export function readAsRouter(bytes: Buffer): Reading {
  const parser = new RequestParser();
  const requests: Understood[] = [];
  let at = 0;
  try {
    while (at < bytes.length) {
      const bodyAt = parser.parse(bytes, at, bytes.length);
      if (bodyAt < 0) break;
      const { method, target } = parser;
      const fields = fieldsOf(parser);
      const head = checkHead(parser);
      if (hostName(head.hostField) === null) return { requests, refused: "malformed-request" };
      const frame = new BodyFrame(head.framing);
      let body = "";
      at = bodyAt;
      while (!frame.done && at < bytes.length) {
        at = frame.read(bytes, at, bytes.length);
        body += bytes.toString("latin1", frame.from, frame.to);
      }
      if (!frame.done) break;
      requests.push({ method, target, fields, body });
      if (!head.keepAlive) break;
    }
  } catch (error) {
    if (error instanceof CellplaneError) return { requests, refused: error.code };
    if (error instanceof BadBytes) return { requests, refused: "malformed-request" };
    throw error;
  }
  return { requests, refused: null };
}

function fieldsOf({ fields }: RequestParser): string[] {
  const all: string[] = [];
  for (let index = 0; index < fields.count; index += 1) {
    const line = fields.text(fields.lineAt(index), fields.lineAt(index + 1));
    all.push(line.slice(0, line.indexOf(":")), fields.value(index));
  }
  return all;
}
