import type { AnswerParser } from "./answer-parser.ts";
import { chunkedBody, noBody, untilClose, type Framing } from "./body-frame.ts";
import { BadBytes, type FieldBlock } from "./field-block.ts";
import { Kind } from "./field-names.ts";

/** The head of an answer, with what its framing fields mean together. */
export interface AnswerHead {
  readonly status: number;
  /** Whether the status line says HTTP/1.0. */
  readonly http10: boolean;
  /** Of the parser; valid until the next head is parsed. */
  readonly fields: FieldBlock;
  readonly framing: Framing;
  /** What Connection holds; null without it. */
  readonly connection: string | null;
  /** Whether the cell lets the connection be used again. */
  readonly keepAlive: boolean;
}

/**
 * Tells where an answer ends (RFC 9112, section 6.3). Framing that two readers could take for two different messages is refused, though the
 * RFC would let a client guess: a wrong guess would hand one tenant's bytes to another.
 * @param method of the request. @throws BadBytes
 */
export function framingOfAnswer(parser: AnswerParser, method: string): AnswerHead {
  const { status, fields, http10 } = parser;
  let connection: string | null = null;
  let lengthAt = -1;
  let encoding: string | null = null;
  const { count } = fields;
  for (let index = 0; index < count; index += 1) {
    switch (fields.kind(index)) {
      case Kind.contentLength:
        if (lengthAt >= 0) throw new BadBytes("The answer has two Content-Lengths.");
        lengthAt = index;
        break;
      case Kind.transferEncoding:
        if (encoding !== null) throw new BadBytes("The answer has two Transfer-Encodings.");
        encoding = fields.value(index).toLowerCase();
        break;
      case Kind.connection:
        connection = connection === null ? connectionAt(fields, index) : `${connection}, ${fields.value(index)}`;
        break;
      default:
        break;
    }
  }
  if (encoding !== null && (http10 || encoding !== "chunked" || lengthAt >= 0))
    throw new BadBytes("The answer's Transfer-Encoding is not `chunked` alone.");
  const bytes = lengthAt < 0 ? null : lengthOf(fields, lengthAt);
  const keepAlive = !http10 && (connection === null || connection === "keep-alive" || !closes.test(connection));
  return { status, http10, fields, connection, keepAlive, framing: bodyOf(status, method, encoding, bytes) };
}

const keepAliveBytes = Buffer.from("keep-alive");

/** Nearly always the same word, which is not cut out each time. */
function connectionAt(fields: FieldBlock, index: number): string {
  return fields.valueIs(index, keepAliveBytes) ? "keep-alive" : fields.value(index);
}

const closes = /(^|[ ,\t])close($|[ ,\t])/i;

function bodyOf(status: number, method: string, encoding: string | null, bytes: number | null): Framing {
  if (method === "HEAD" || status < 200 || status === 204 || status === 304) return noBody;
  if (encoding !== null) return chunkedBody;
  return bytes === null ? untilClose : { kind: "length", bytes };
}

function lengthOf(fields: FieldBlock, index: number): number {
  const bytes = fields.decimal(index);
  if (Number.isNaN(bytes)) throw new BadBytes("The answer's Content-Length is not a number of bytes.");
  return bytes;
}
