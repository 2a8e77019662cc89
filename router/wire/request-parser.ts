import { METHODS } from "node:http";
import type { CellplaneError } from "../../common/errors.ts";
import { fail } from "../errors.ts";
import { CR, isSame, isTarget, isToken, LF, needsLook, SLASH, SP } from "./bytes.ts";
import { BadBytes, FieldBlock, TooManyFields } from "./field-block.ts";
import { hashStep } from "./field-names.ts";

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
  /** Whether the request is HTTP/1.0; it is 1.1 otherwise. */
  http10 = false;
  /** Whether the target is a path with one slash at its front, and holds no dot, percent sign or backslash. */
  plain = false;
  /** The bytes that were parsed, and where in them the message begins and its head ends. */
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;
  readonly fields = new FieldBlock();
  #targetAt = 0;
  #targetEnd = 0;

  get target(): string {
    return this.bytes.toString("latin1", this.#targetAt, this.#targetEnd);
  }

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
      this.bytes = bytes;
      this.start = start;
      this.end = after;
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
    let hash = 0;
    for (let byte; at < end && isToken[(byte = bytes[at] as number)] === 1; at += 1) hash = hashStep(hash, byte);
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
    this.plain = (seen & needsLook) === 0 && bytes[targetAt] === SLASH && bytes[targetAt + 1] !== SLASH;
    this.method = methodAt(bytes, start, targetAt - 1, hash);
    this.#targetAt = targetAt;
    this.#targetEnd = versionAt - 1;
    return at + 2;
  }
}

interface Method {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Those that Node knows, by their hash: the name of a request's method is not made anew for each. */
const methods = new Map<number, Method>(
  METHODS.map((name) => {
    const bytes = Buffer.from(name);
    return [bytes.reduce(hashStep, 0), { name, bytes }];
  }),
);

function methodAt(bytes: Buffer, from: number, to: number, hash: number): string {
  const known = methods.get(hash);
  if (known !== undefined && isSame(known.bytes, bytes, from, to)) return known.name;
  return bytes.toString("latin1", from, to);
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
