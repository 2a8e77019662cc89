import type { IncomingMessage } from "node:http";
import type { Writable } from "node:stream";

/** A body up to this size is kept while it streams through, so that the request can be sent again elsewhere. */
const keepBytes = 64 * 1024;
/** What may still come of a body that nobody wants is read and thrown away up to here, so that its connection can be used again. */
const dumpBytes = 1024 * 1024;

/**
 * The body of a request on its way to a cell, with back-pressure. One sink at a time; a new sink first gets what was kept.
 */
export class RequestBody {
  readonly #source: IncomingMessage;
  #limitBytes = Number.POSITIVE_INFINITY;
  #onTooLarge: (() => void) | null = null;
  #kept: Buffer[] | null = [];
  #sink: Writable | null = null;
  #listening = false;
  #dumping = false;
  #done: boolean;
  #bytes = 0;

  /** @param expected whether the head announces a body at all. */
  constructor(source: IncomingMessage, expected: boolean) {
    this.#source = source;
    this.#done = !expected;
  }

  /** Whether all of it has come. */
  get done(): boolean {
    return this.#done;
  }
  /** Whether all that has come is still here. */
  get replayable(): boolean {
    return this.#kept !== null;
  }
  get keptBytes(): number {
    return this.#kept === null ? 0 : this.#bytes;
  }

  /** @param onTooLarge called once when more than `limitBytes` have come. */
  limit(limitBytes: number, onTooLarge: () => void): void {
    this.#limitBytes = limitBytes;
    this.#onTooLarge = onTooLarge;
  }

  /** Sends what was kept, then what comes, then the end. */
  attach(sink: Writable): void {
    this.#sink = sink;
    for (const chunk of this.#kept ?? []) sink.write(chunk);
    if (this.#done) {
      sink.end();
      return;
    }
    this.#listen();
    this.#source.resume();
  }

  /** Holds the body back until the next sink. */
  detach(): void {
    this.#sink = null;
    if (!this.#done) this.#source.pause();
  }

  /** Reads and forgets the rest. @param limitBytes after so many more bytes the connection is closed. */
  dump(limitBytes: number = dumpBytes): void {
    this.#sink = null;
    this.#kept = null;
    if (this.#done || this.#dumping) return;
    this.#dumping = true;
    let left = limitBytes;
    this.#source.on("data", (chunk: Buffer) => {
      left -= chunk.length;
      if (left < 0) this.#source.destroy();
    });
    this.#listen();
    this.#source.resume();
  }

  /** Calls back when the rest has come. */
  onceDone(callback: () => void): void {
    if (this.#done) callback();
    else this.#source.once("end", callback);
  }

  #listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    this.#source.on("data", (chunk: Buffer) => this.#take(chunk));
    this.#source.on("end", () => {
      this.#done = true;
      this.#sink?.end();
    });
  }

  #take(chunk: Buffer): void {
    if (this.#dumping) return;
    this.#bytes += chunk.length;
    if (this.#bytes > this.#limitBytes) {
      this.detach();
      this.#kept = null;
      this.#onTooLarge?.();
      return;
    }
    if (this.#bytes > keepBytes) this.#kept = null;
    else this.#kept?.push(chunk);
    const sink = this.#sink;
    if (sink === null || sink.write(chunk)) return;
    this.#source.pause();
    sink.once("drain", () => {
      if (this.#sink === sink) this.#source.resume();
    });
  }
}
