import { ChunkReader } from "./chunk-reader.ts";
import { BadBytes, type FieldBlock } from "./field-block.ts";
import { Kind } from "./field-names.ts";

/** How a message says where its body ends (RFC 9112, section 6.3). */
export type Framing =
  | { readonly kind: "none" | "chunked" | "until-close" }
  | { readonly kind: "length"; readonly bytes: number };

export const noBody: Framing = { kind: "none" };
export const chunkedBody: Framing = { kind: "chunked" };
export const untilClose: Framing = { kind: "until-close" };

/** Follows a body through the bytes as they come, whatever its framing. */
export class BodyFrame {
  /** The piece that the last `read` found. */
  from = 0;
  to = 0;
  /** Whether the end has been read. */
  done = true;
  #kind: Framing["kind"] = "none";
  #left = 0;
  #chunks: ChunkReader | null = null;

  constructor(framing: Framing) {
    this.begin(framing);
  }

  /** Follows another body from now on. */
  begin(framing: Framing): void {
    this.#kind = framing.kind;
    this.#left = framing.kind === "length" ? framing.bytes : 0;
    this.#chunks = framing.kind === "chunked" ? new ChunkReader(passableTrailers) : null;
    this.done = framing.kind === "none" || (framing.kind === "length" && framing.bytes === 0);
  }

  /** Bytes that are still announced; infinite where nothing is announced. */
  get left(): number {
    if (this.done) return 0;
    return this.#kind === "length" ? this.#left : Number.POSITIVE_INFINITY;
  }
  get trailers(): string {
    return this.#chunks?.trailers ?? "";
  }

  /** Reads up to the end of one piece. @returns where to read on. @throws BadBytes */
  read(bytes: Buffer, at: number, end: number): number {
    if (this.#chunks !== null) {
      const next = this.#chunks.read(bytes, at, end);
      this.from = this.#chunks.from;
      this.to = this.#chunks.to;
      this.done = this.#chunks.done;
      return next;
    }
    const next = this.#kind === "length" ? Math.min(end, at + this.#left) : end;
    this.from = at;
    this.to = next;
    if (this.#kind === "length") {
      this.#left -= next - at;
      this.done = this.#left === 0;
    }
    return next;
  }

  /** The connection ended. @returns whether that is how this body ends. */
  endOfConnection(): boolean {
    if (this.#kind === "until-close") this.done = true;
    return this.done;
  }
}

/**
 * Trailer fields mean nothing to the router; what would mean something in a head is left out, and what would frame a message is refused (RFC 9110,
 * section 6.5.1): some reader might believe it.
 */
function passableTrailers(block: FieldBlock): string {
  let lines = "";
  for (let index = 0; index < block.count; index += 1) {
    const kind = block.kind(index);
    if (kind === Kind.contentLength || kind === Kind.transferEncoding)
      throw new BadBytes("A trailer frames a message.");
    if (kind === Kind.pass) lines += block.text(block.lineAt(index), block.lineAt(index + 1));
  }
  return lines;
}
