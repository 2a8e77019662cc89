import { EnvelopeRefused } from "./envelope.ts";

/**
 * Reads an answer's body as text.
 * @throws EnvelopeRefused oversized, as soon as more than that has come or is announced; the rest is not read.
 */
export async function readLimited(response: Response, maxBytes: number): Promise<string> {
  const tooLarge = () => new EnvelopeRefused("oversized", `more than ${maxBytes} bytes`);
  if (Number(response.headers.get("content-length") ?? 0) > maxBytes) {
    await response.body?.cancel();
    throw tooLarge();
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes).toString("utf8");
}
