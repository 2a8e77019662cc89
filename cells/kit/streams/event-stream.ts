import { once } from "node:events";
import { PassThrough } from "node:stream";
import type { FastifyReply, FastifyRequest } from "fastify";
import { isRefusal } from "../database-errors.ts";

/** An event as the browser's `EventSource` gets it. */
export interface ServerSentEvent {
  /** Sent as JSON. */
  readonly data: unknown;
  /** The event's type; `message` where it is left out. No line breaks. */
  readonly event?: string;
  /** What the client sends as `Last-Event-ID` when it comes again. No line breaks. */
  readonly id?: string;
}

/** A stream of server-sent events that is open. */
export interface EventStream {
  /** The id of the last event that the client has seen on an earlier connection; null on its first. */
  readonly lastEventId: string | null;
  /** Aborted when the stream ends: the client left, the tenant moved, the process stops. Whatever `run` waits for should end with it. */
  readonly signal: AbortSignal;
  /**
   * Sends an event, and waits while the client is slower than its events.
   * @returns false once the stream has ended; then `run` should return.
   */
  send(event: ServerSentEvent): Promise<boolean>;
}

/** Clients come again after so long, spread, so that the streams of an ended process do not all come at once. */
const comeAgainMs = 500;
const comeAgainSpreadMs = 1_500;
/** A line that says nothing, so that neither a proxy nor a dead client goes unnoticed. */
const stillHereMs = 15_000;
/** A client that takes nothing for so long is given up. */
const slowestMs = 30_000;
const bufferBytes = 65_536;

/**
 * Answers with server-sent events: `return sendEvents(request, reply, async (stream) => { … })`. The stream ends when `run` returns, when the client
 * leaves, and by the kit whenever the tenant is not served here any more (freeze, move, suspension, switch of releases, stop): then with `retry:`, so
 * that the client comes again within two seconds and, by `lastEventId`, goes on where it was.
 * @throws too-many-streams, streams-ending
 */
export function sendEvents(
  request: FastifyRequest,
  reply: FastifyReply,
  run: (stream: EventStream) => Promise<void>,
): FastifyReply {
  reply
    .header("content-type", "text/event-stream")
    .header("cache-control", "no-store")
    .header("x-accel-buffering", "no");
  if (request.method === "HEAD") return reply.send("");
  const out = new PassThrough({ highWaterMark: bufferBytes });
  const ended = new AbortController();
  const comeAgain = `retry: ${Math.round(comeAgainMs + Math.random() * comeAgainSpreadMs)}\n\n`;
  const end = (): void => {
    if (!out.writableEnded) out.end(comeAgain);
    ended.abort();
  };
  const leave = request.tenant.admitStream(end, reply.elapsedTime);
  const timer = setInterval(() => out.write(": still here\n\n"), stillHereMs);
  out.once("close", () => {
    clearInterval(timer);
    leave();
    ended.abort();
  });
  out.write(comeAgain);
  const stream: EventStream = {
    lastEventId: lastEventIdOf(request),
    signal: ended.signal,
    send: (event) => write(out, textOf(event), ended.signal),
  };
  void run(stream)
    .catch((error: unknown) => {
      // Moved, frozen or suspended between two of its reads: that is an end like any other.
      if (!isRefusal(error) && !ended.signal.aborted)
        request.tenant.log.error({ event: "stream-failed", requestId: request.id, err: error });
    })
    .finally(end);
  return reply.send(out);
}

async function write(out: PassThrough, text: string, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted || out.writableEnded || out.destroyed) return false;
  if (out.write(text)) return true;
  try {
    await once(out, "drain", { signal: AbortSignal.any([signal, AbortSignal.timeout(slowestMs)]) });
    return true;
  } catch {
    // Ended meanwhile, or so slow that what was written for it is thrown away.
    if (!signal.aborted) out.destroy();
    return false;
  }
}

function lastEventIdOf(request: FastifyRequest): string | null {
  const given = request.headers["last-event-id"];
  return typeof given === "string" && given !== "" ? given : null;
}

function textOf({ data, event, id }: ServerSentEvent): string {
  const lines = [`data: ${JSON.stringify(data ?? null)}`];
  if (event !== undefined) lines.unshift(`event: ${oneLine(event)}`);
  if (id !== undefined) lines.unshift(`id: ${oneLine(id)}`);
  return `${lines.join("\n")}\n\n`;
}

function oneLine(text: string): string {
  if (/[\r\n\0]/.test(text)) throw new TypeError("an event's type and id are one line each");
  return text;
}
