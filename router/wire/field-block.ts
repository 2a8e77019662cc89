import { COLON, CR, HTAB, isSame, isToken, isValue, LF, SP } from "./bytes.ts";
import { decimalAt } from "./decimal.ts";
import { fieldNameAt, hashStep, type FieldName, type Kind } from "./field-names.ts";
import type { Gather } from "./gather.ts";

/** More fields than any client of ours sends; each costs a look-up. */
const maxFields = 256;

/** Bytes that are not what they should be. `detail` may be shown. */
export class BadBytes extends Error {
  override readonly name = "BadBytes";
}

/** More fields than are taken. */
export class TooManyFields extends BadBytes {}

/**
 * The field lines of a head or trailer (RFC 9112, section 5). One block is used again for every message: what it holds is valid until the next
 * `parse`, and as long as the message's bytes stay, so that a head makes no objects of its own. Positions count from where the message began in its bytes.
 */
export class FieldBlock {
  count = 0;
  /** Another number with each `parse`: what was read before is gone when it is another. */
  turn = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #start = 0;
  readonly #names: FieldName[] = [];
  readonly #lineAt = new Int32Array(maxFields + 1);
  readonly #valueAt = new Int32Array(maxFields);
  readonly #valueEnd = new Int32Array(maxFields);

  /**
   * @param start where the message begins, @param at its first field line, @param end where the bytes that have come end.
   * @returns where the bytes behind the empty line begin; -1 when it has not come yet.
   * @throws BadBytes
   */
  parse(bytes: Buffer, start: number, at: number, end: number): number {
    this.turn += 1;
    let position = at;
    let count = 0;
    for (;;) {
      if (position >= end) return -1;
      this.#lineAt[count] = position - start;
      if (bytes[position] === CR) break;
      if (count === maxFields) throw new TooManyFields(`There are more than ${maxFields} fields.`);
      const nameAt = position;
      let hash = 0;
      for (let byte; position < end && isToken[(byte = bytes[position] as number)] === 1; position += 1)
        hash = hashStep(hash, byte);
      if (position === end) return -1;
      if (bytes[position] !== COLON) throw new BadBytes(lineError(bytes, position));
      if (position === nameAt) throw new BadBytes("A field has no name.");
      this.#names[count] = fieldNameAt(bytes, nameAt, position, hash);
      position += 1;
      while (position < end && (bytes[position] === SP || bytes[position] === HTAB)) position += 1;
      const valueAt = position;
      while (position < end && isValue[bytes[position] as number] === 1) position += 1;
      if (position + 1 >= end) {
        if (position < end && bytes[position] !== CR) throw new BadBytes("A field holds a control character.");
        return -1;
      }
      if (bytes[position] !== CR || bytes[position + 1] !== LF)
        throw new BadBytes("A field holds a control character.");
      let valueEnd = position;
      while (valueEnd > valueAt && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === HTAB)) valueEnd -= 1;
      this.#valueAt[count] = valueAt - start;
      this.#valueEnd[count] = valueEnd - start;
      count += 1;
      position += 2;
    }
    if (position + 1 >= end) return -1;
    if (bytes[position + 1] !== LF) throw new BadBytes("A line does not end with CR LF.");
    this.count = count;
    this.#bytes = bytes;
    this.#start = start;
    return position + 2;
  }

  kind(index: number): Kind {
    return (this.#names[index] as FieldName).kind;
  }
  /** The name in lower case. */
  name(index: number): string {
    return (this.#names[index] as FieldName).lower;
  }
  value(index: number): string {
    return this.#bytes.toString(
      "latin1",
      this.#start + (this.#valueAt[index] as number),
      this.#start + (this.#valueEnd[index] as number),
    );
  }
  /** The value as a number written in digits and nothing else; NaN for anything else, and beyond 2^53. */
  decimal(index: number): number {
    return decimalAt(
      this.#bytes,
      this.#start + (this.#valueAt[index] as number),
      this.#start + (this.#valueEnd[index] as number),
    );
  }
  valueLength(index: number): number {
    return (this.#valueEnd[index] as number) - (this.#valueAt[index] as number);
  }
  /** Whether the value is what stands in a part of other bytes. */
  valueStands(index: number, others: Buffer, from: number, to: number): boolean {
    const length = to - from;
    const at = this.#valueAt[index] as number;
    if ((this.#valueEnd[index] as number) - at !== length) return false;
    const own = this.#bytes;
    const start = this.#start + at;
    for (let step = 0; step < length; step += 1) if (own[start + step] !== others[from + step]) return false;
    return true;
  }
  /** A copy of the value, which stays when the message is gone. */
  valueBytes(index: number): Uint8Array {
    const from = this.#start + (this.#valueAt[index] as number);
    return Uint8Array.from(this.#bytes.subarray(from, this.#start + (this.#valueEnd[index] as number)));
  }
  /** Whether the value is these bytes, told without cutting it out. */
  valueIs(index: number, bytes: Uint8Array): boolean {
    return isSame(
      bytes,
      this.#bytes,
      this.#start + (this.#valueAt[index] as number),
      this.#start + (this.#valueEnd[index] as number),
    );
  }
  /** Whether the value begins with these bytes. */
  valueBegins(index: number, bytes: Uint8Array): boolean {
    const at = this.#valueAt[index] as number;
    if (at + bytes.length > (this.#valueEnd[index] as number)) return false;
    return isSame(bytes, this.#bytes, this.#start + at, this.#start + at + bytes.length);
  }
  /** A hash of the value. */
  valueHash(index: number): number {
    const end = this.#start + (this.#valueEnd[index] as number);
    const bytes = this.#bytes;
    let hash = 0;
    for (let at = this.#start + (this.#valueAt[index] as number); at < end; at += 1)
      hash = hashStep(hash, bytes[at] as number);
    return hash;
  }
  /** Puts the value behind what has gathered. */
  copyValue(index: number, to: Gather): void {
    to.run(
      this.#bytes,
      this.#start + (this.#valueAt[index] as number),
      this.#start + (this.#valueEnd[index] as number),
    );
  }
  /** Puts a part of the message behind what has gathered. @param from, @param to counted as `lineAt` counts. */
  copy(from: number, to: number, into: Gather): void {
    into.run(this.#bytes, this.#start + from, this.#start + to);
  }
  /** A part of the message, as Latin-1. @param from, @param to counted as `lineAt` counts. */
  text(from: number, to: number): string {
    return this.#bytes.toString("latin1", this.#start + from, this.#start + to);
  }
  /** Where a field's line begins, from the message's first byte; at `count`, where the last one ended. */
  lineAt(index: number): number {
    return this.#lineAt[index] as number;
  }
}

function lineError(bytes: Buffer, at: number): string {
  const byte = bytes[at];
  const first = bytes[at - 1] === LF;
  if (first && (byte === SP || byte === HTAB)) return "A field is folded over two lines.";
  if (byte === SP || byte === HTAB) return "There is a space before a field's colon.";
  if (byte === LF || byte === CR) return "A line has no colon, or does not end with CR LF.";
  return "A field's name holds a character that no token has.";
}
