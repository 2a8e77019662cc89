import { CR, EQUALS, isToken, LF, SEMICOLON } from "./bytes.ts";
import { BadBytes, FieldBlock } from "./field-block.ts";

/** Hex digits of a chunk's size: 2^52 is beyond any limit of a body, and exact as a number. */
const maxSizeDigits = 13;
const maxExtensionBytes = 256;
const maxTrailerBytes = 8 * 1024;

// A chunked body (RFC 9112, section 7.1).
//   size       hex digits                          → extension (`;`), size-end (CR)
//   extension  name, or name=token; thrown away    → extension, size-end (CR)
//   size-end   LF                                  → piece, or trailer after size 0
//   piece      as many bytes as the size said      → piece-end
//   piece-end  CR LF                               → size
//   trailer    field lines until the empty one     → done
// Anything else is bad, and stays so: nobody knows where the body ends.
type State = "size" | "extension" | "size-end" | "piece" | "piece-end-cr" | "piece-end-lf" | "trailer" | "done";

const blocks = new FieldBlock();

/** Finds the pieces of a chunked body in the bytes as they come. */
export class ChunkReader {
  /** The piece that the last `read` found: bytes `from` to `to` of what it was given; empty when there was none. */
  from = 0;
  to = 0;
  /** Trailer fields that may be passed on, as lines; empty without any. */
  trailers = "";
  #state: State = "size";
  #left = 0;
  #digits = 0;
  #extension = 0;
  #inValue = false;
  #tokenBytes = 0;
  #trailer: Buffer | null = null;
  readonly #keep: (block: FieldBlock) => string;

  /** @param keep makes of the trailer's fields the lines that may be passed on. */
  constructor(keep: (block: FieldBlock) => string) {
    this.#keep = keep;
  }

  get done(): boolean {
    return this.#state === "done";
  }

  /** Reads up to the end of one piece. @returns where to read on. @throws BadBytes */
  read(bytes: Buffer, at: number, end: number): number {
    let position = at;
    this.from = 0;
    this.to = 0;
    while (position < end) {
      if (this.#state === "piece") {
        const next = Math.min(end, position + this.#left);
        this.from = position;
        this.to = next;
        this.#left -= next - position;
        if (this.#left === 0) this.#state = "piece-end-cr";
        return next;
      }
      if (this.#state === "trailer") return this.#readTrailer(bytes, position, end);
      if (this.#state === "done") return position;
      this.#step(bytes[position] as number);
      position += 1;
    }
    return position;
  }

  #step(byte: number): void {
    switch (this.#state) {
      case "size":
        return this.#stepSize(byte);
      case "extension":
        return this.#stepExtension(byte);
      case "size-end":
        if (byte !== LF) throw new BadBytes("A chunk's size does not end with CR LF.");
        this.#state = this.#left === 0 ? "trailer" : "piece";
        return;
      case "piece-end-cr":
        if (byte !== CR) throw new BadBytes("A chunk is longer than its size.");
        this.#state = "piece-end-lf";
        return;
      case "piece-end-lf":
        if (byte !== LF) throw new BadBytes("A chunk does not end with CR LF.");
        this.#state = "size";
        this.#digits = 0;
        return;
      default:
        throw new TypeError(`no byte is looked at alone in state ${this.#state}`);
    }
  }

  #stepSize(byte: number): void {
    const digit = hexValue(byte);
    if (digit >= 0) {
      this.#digits += 1;
      if (this.#digits > maxSizeDigits) throw new BadBytes("A chunk's size has too many digits.");
      this.#left = this.#left * 16 + digit;
      return;
    }
    if (this.#digits === 0) throw new BadBytes("A chunk has no size.");
    this.#endOfSize(byte);
  }

  #endOfSize(byte: number): void {
    if (byte === CR) this.#state = "size-end";
    else if (byte === SEMICOLON) {
      this.#state = "extension";
      this.#inValue = false;
      this.#tokenBytes = 0;
    } else throw new BadBytes("A chunk's size is not a hexadecimal number.");
  }

  #stepExtension(byte: number): void {
    this.#extension += 1;
    if (this.#extension > maxExtensionBytes) throw new BadBytes("The chunk extensions are too long.");
    if (isToken[byte] === 1) {
      this.#tokenBytes += 1;
      return;
    }
    if (this.#tokenBytes === 0) throw new BadBytes("A chunk extension is empty.");
    if (byte === EQUALS && !this.#inValue) {
      this.#inValue = true;
      this.#tokenBytes = 0;
    } else this.#endOfSize(byte);
  }

  /** Trailers are rare and short: they are kept until they are whole. */
  #readTrailer(bytes: Buffer, at: number, end: number): number {
    const before = this.#trailer?.length ?? 0;
    const all =
      this.#trailer === null ? bytes.subarray(at, end) : Buffer.concat([this.#trailer, bytes.subarray(at, end)]);
    const after = blocks.parse(all, 0, 0, Math.min(all.length, maxTrailerBytes));
    if (after < 0) {
      if (all.length >= maxTrailerBytes) throw new BadBytes("The trailer is too long.");
      this.#trailer = Buffer.from(all);
      return end;
    }
    this.trailers = this.#keep(blocks);
    this.#trailer = null;
    this.#state = "done";
    return at + after - before;
  }
}

function hexValue(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
