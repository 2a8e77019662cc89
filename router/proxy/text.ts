/**
 * What is to be sent and is not longer than this goes out as one Latin-1 string: node copies it to its stack and writes it at once, which costs
 * less than a vector of buffers. (Measured; docs/decisions/0031.) Longer ones go as buffers.
 */
export const textBytes = 16 * 1024;

/** One chunk of a chunked body. @param inner its bytes as Latin-1, not empty. */
export function chunkText(inner: string): string {
  return `${inner.length.toString(16)}\r\n${inner}\r\n`;
}
