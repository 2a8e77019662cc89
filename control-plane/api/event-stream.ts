import { setTimeout as sleep } from "node:timers/promises";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { FastifyReply } from "fastify";
import { httpError } from "../../common/http/errors.ts";
import type { Logger } from "../../common/log.ts";

/** A reader that takes nothing for this long is gone. */
const stalledMs = 20_000;
/** Processes of a hundred cells and their routers, and some dashboards. */
const openLimit = 2_000;

/** A Server-Sent Events answer (WHATWG HTML, section 9.2), written at the reader's pace. */
export class EventStream {
  readonly #response: ServerResponse;
  readonly #closed = new AbortController();

  /** Takes the reply over from Fastify; from here on errors can no longer be answered. */
  constructor(reply: FastifyReply) {
    reply.hijack();
    this.#response = reply.raw;
    this.#response.on("close", () => this.#closed.abort());
    this.#response.on("error", () => this.#closed.abort());
    this.#response.writeHead(200, {
      "content-type": "text/event-stream",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    });
    this.#response.flushHeaders();
  }

  get closed(): boolean {
    return this.#closed.signal.aborted;
  }

  /** Writes one event and waits until the reader has room for more. */
  async send(event: string, data: string): Promise<void> {
    if (this.closed) return;
    if (this.#response.write(`event: ${event}\ndata: ${data}\n\n`)) return;
    const patience = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(stalledMs)]);
    try {
      await once(this.#response, "drain", { signal: patience });
    } catch {
      this.destroy();
    }
  }

  /** Waits that long, at most until the stream is closed or the signal says that there is something to do. */
  async pause(ms: number, woken: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([this.#closed.signal, woken]);
    await sleep(ms, undefined, { signal }).catch(() => undefined);
  }

  end(): void {
    if (!this.closed) this.#response.end();
    this.#closed.abort();
  }

  destroy(): void {
    this.#response.destroy();
    this.#closed.abort();
  }
}

/** The open streams of a server, so that it can end them all when it stops. */
export class OpenStreams {
  readonly #log: Logger;
  readonly #streams = new Set<EventStream>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /**
   * Runs `work` with a new stream, and ends the stream with it. What goes wrong there can only be logged: the answer has begun.
   * @throws unavailable when too many are open
   */
  async serve(reply: FastifyReply, work: (stream: EventStream) => Promise<void>): Promise<void> {
    if (this.#streams.size >= openLimit) throw httpError("unavailable", `${openLimit} streams are open.`);
    const stream = new EventStream(reply);
    this.#streams.add(stream);
    try {
      await work(stream);
      stream.end();
    } catch (error) {
      this.#log.warn({ event: "event-stream-broken", err: error });
      stream.destroy();
    } finally {
      this.#streams.delete(stream);
    }
  }

  endAll(): void {
    for (const stream of this.#streams) stream.end();
  }
}
