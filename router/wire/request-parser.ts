import type { CellplaneError } from "../../common/errors.ts";
import { fail } from "../errors.ts";
import { CR, isTarget, isToken, LF, needsLook, SP } from "./bytes.ts";
import { BadBytes, FieldBlock, TooManyFields } from "./field-block.ts";

/** Bytes of a request's head; more is 431. */
export const maxHeadBytes = 16 * 1024;
/** Bytes of a target; more is 414. */
const maxTargetBytes = 8 * 1024;
/** Longer than any registered method. */
const maxMethodBytes = 32;
/** ` HTTP/1.1` with what ends the line. */
const versionBytes = "HTTP/1.1".length;

/**
 * Reads request lines and fields as RFC 9112 has them and nothing else: one space, CR LF, no folding, no control characters. What this
 * parser takes, llhttp takes as the same message (tests/unit/router/differential.test.ts); what the fields mean is judged in guard/head.ts.
 * One parser serves all connections of a process, for a head is parsed when it is whole: its properties are valid until the next `parse`.
 */
export class RequestParser {
  method = "";
  target = "";
  /** Whether the request is HTTP/1.0; it is 1.1 otherwise. */
  http10 = false;
  /** Whether the target holds a dot, a percent sign or a backslash. */
  unplain = false;
  readonly fields = new FieldBlock();

  /**
   * @returns where the bytes behind the head begin; -1 when it is not whole yet.
   * @throws CellplaneError malformed-request, version-not-supported, address-too-long, head-too-large
   */
  parse(bytes: Buffer, from: number, to: number): number {
    const end = Math.min(to, from + maxHeadBytes);
    try {
      // One empty line before a request is passed over (RFC 9112, section 2.2).
      const start = bytes[from] === CR && from + 1 < end && bytes[from + 1] === LF ? from + 2 : from;
      const fieldsAt = start >= end ? -1 : this.#parseLine(bytes, start, end);
      const after = fieldsAt < 0 ? -1 : this.fields.parse(bytes, start, fieldsAt, end);
      if (after < 0 && end - from === maxHeadBytes) throw tooLarge(fieldsAt < 0);
      return after;
    } catch (error) {
      if (error instanceof TooManyFields) throw fail("head-too-large", error.message);
      if (error instanceof BadBytes) throw fail("malformed-request", error.message);
      throw error;
    }
  }

  /** @returns where the fields begin; -1 when the line is not whole yet. */
  #parseLine(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && isToken[bytes[at] as number] === 1) at += 1;
    if (at - start > maxMethodBytes) throw new BadBytes("The method is too long.");
    // A lone CR may be the first half of an empty line.
    if (at === end || (at === start && bytes[at] === CR && at + 1 === end)) return -1;
    if (at === start || bytes[at] !== SP) return refuseLine();
    const targetAt = at + 1;
    at = targetAt;
    let seen = 0;
    for (let kind; at < end && (kind = isTarget[bytes[at] as number] as number) !== 0; at += 1) seen |= kind;
    if (at - targetAt > maxTargetBytes) throw tooLarge(true);
    if (at === end) return -1;
    if (at === targetAt || bytes[at] !== SP) return refuseLine();
    const versionAt = at + 1;
    if (versionAt + versionBytes + 2 > end) return startsVersion(bytes, versionAt, end) ? -1 : refuseLine();
    at = versionAt + versionBytes;
    if (bytes[at] !== CR || bytes[at + 1] !== LF) return refuseLine();
    const minor = minorOf(bytes, versionAt);
    if (minor < 0) return refuseLine();
    this.http10 = minor === 0;
    this.unplain = (seen & needsLook) !== 0;
    this.method = bytes.toString("latin1", start, targetAt - 1);
    this.target = bytes.toString("latin1", targetAt, versionAt - 1);
    return at + 2;
  }
}

function refuseLine(): never {
  throw new BadBytes("The request line is not `method target HTTP/1.1` with single spaces and CR LF.");
}

const nameOfHttp = Buffer.from("HTTP/1.");

/** @returns 0 or 1; -1 where no version stands there. @throws CellplaneError version-not-supported */
function minorOf(bytes: Buffer, at: number): number {
  let same = 0;
  while (same < nameOfHttp.length && bytes[at + same] === nameOfHttp[same]) same += 1;
  const minor = (bytes[at + nameOfHttp.length] as number) - 0x30;
  if (same === nameOfHttp.length && (minor === 0 || minor === 1)) return minor;
  const version = bytes.toString("latin1", at, at + versionBytes);
  if (/^HTTP\/\d\.\d$/.test(version)) throw fail("version-not-supported", `${version} is not spoken here.`);
  return -1;
}

function startsVersion(bytes: Buffer, at: number, end: number): boolean {
  const text = bytes.toString("latin1", at, end);
  return /^(H|HT|HTT|HTTP|HTTP\/|HTTP\/\d|HTTP\/\d\.|HTTP\/\d\.\d\r?)?$/.test(text);
}

function tooLarge(inTarget: boolean): CellplaneError {
  return inTarget
    ? fail("address-too-long", `The target is longer than ${maxTargetBytes} bytes.`)
    : fail("head-too-large", `The head is longer than ${maxHeadBytes} bytes.`);
}
