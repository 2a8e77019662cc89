import type { Gather } from "../wire/gather.ts";

const newLine = Buffer.from("\r\n");
const last = Buffer.from("0\r\n");

/** What stands before the bytes of a chunk (RFC 9112, section 7.1). @param bytes so many, not 0. */
export function beginChunk(bytes: number, out: Gather): void {
  out.text(`${bytes.toString(16)}\r\n`);
}

/** What stands behind them. */
export function endChunk(out: Gather): void {
  out.all(newLine);
}

/** The end of a chunked body. @param trailers as lines. */
export function endOfChunks(trailers: string, out: Gather): void {
  out.all(last);
  if (trailers !== "") out.text(trailers);
  out.all(newLine);
}
