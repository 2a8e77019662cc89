import { CR, isValue, LF } from "./bytes.ts";
import { BadBytes, FieldBlock } from "./field-block.ts";

/** Bytes of an answer's head; a cell that sends more is not understood. */
export const maxAnswerHeadBytes = 32 * 1024;

/** Reads status lines and fields of what a cell answers, as strictly as those of requests. Properties are valid until the next `parse`. */
export class AnswerParser {
  status = 0;
  http10 = false;
  readonly fields = new FieldBlock();

  /** @returns where the bytes behind the head begin; -1 when it is not whole yet. @throws BadBytes */
  parse(bytes: Buffer, from: number, to: number): number {
    const end = Math.min(to, from + maxAnswerHeadBytes);
    const fieldsAt = this.#parseLine(bytes, from, end);
    const after = fieldsAt < 0 ? -1 : this.fields.parse(bytes, from, fieldsAt, end);
    if (after < 0 && end - from === maxAnswerHeadBytes) throw new BadBytes("The head of the answer is too long.");
    return after;
  }

  #parseLine(bytes: Buffer, from: number, end: number): number {
    // `HTTP/1.1 200 ` is 13 bytes; the reason may be empty, its space may not (RFC 9112, section 4).
    let at = from + 13;
    if (end < at + 2) return -1;
    const status = statusAt(bytes, from);
    if (status < 0) throw new BadBytes("The answer's status line is not HTTP/1.");
    while (at < end && isValue[bytes[at] as number] === 1) at += 1;
    if (at + 1 >= end) return -1;
    if (bytes[at] !== CR || bytes[at + 1] !== LF)
      throw new BadBytes("The answer's status line holds a control character.");
    this.http10 = bytes[from + 7] === 0x30;
    this.status = status;
    return at + 2;
  }
}

const pattern = Buffer.from("HTTP/1.v sss ");

/** The status of `HTTP/1.0 200 ` or `HTTP/1.1 200 `; -1 for anything else. */
function statusAt(bytes: Buffer, from: number): number {
  for (let index = 0; index < pattern.length; index += 1) {
    if (index === 7 || (index > 8 && index < 12)) continue;
    if (bytes[from + index] !== pattern[index]) return -1;
  }
  const minor = (bytes[from + 7] as number) - 0x30;
  const hundreds = (bytes[from + 9] as number) - 0x30;
  const tens = (bytes[from + 10] as number) - 0x30;
  const ones = (bytes[from + 11] as number) - 0x30;
  if (minor < 0 || minor > 1 || hundreds < 1 || hundreds > 9 || tens < 0 || tens > 9 || ones < 0 || ones > 9) return -1;
  return hundreds * 100 + tens * 10 + ones;
}
