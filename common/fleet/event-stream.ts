import { EnvelopeRefused } from "./envelope.ts";

/** One event of a Server-Sent Events stream (WHATWG HTML, section 9.2). */
export interface StreamEvent {
  readonly event: string;
  readonly data: string;
}

/**
 * Reads Server-Sent Events from a body, event by event.
 * @param maxEventBytes a longer event ends the stream: nothing of ours is that long.
 * @throws EnvelopeRefused oversized
 */
export async function* readEvents(body: AsyncIterable<Uint8Array>, maxEventBytes: number): AsyncGenerator<StreamEvent> {
  const decoder = new TextDecoder();
  let rest = "";
  let event = "message";
  let data: string[] = [];
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    if (rest.length > maxEventBytes)
      throw new EnvelopeRefused("oversized", `an event of more than ${maxEventBytes} bytes`);
    let end = rest.indexOf("\n");
    while (end >= 0) {
      const line = rest.slice(0, end).replace(/\r$/, "");
      rest = rest.slice(end + 1);
      if (line === "") {
        if (data.length > 0) yield { event, data: data.join("\n") };
        event = "message";
        data = [];
      } else if (line.startsWith("event:")) {
        event = line.slice(6).trimStart();
      } else if (line.startsWith("data:")) {
        data.push(line.slice(5).replace(/^ /, ""));
      }
      end = rest.indexOf("\n");
    }
  }
}
