import { connect, type Client } from "../../common/postgres/pool.ts";
import type { Logger } from "../../common/log.ts";
import { listenTo } from "./cell.store.ts";

// A connection that listens, for ever.
//   connecting  trying, with growing pauses        → listening
//   listening   notices arrive                     → connecting (connection lost), stopped
//   stopped     nothing any more
const firstPauseMs = 100;
const lastPauseMs = 2_000;

/** Listens on channels over one connection of its own and reconnects when it is lost. A notice is a hint to look, never the truth. */
export class PostgresEvents {
  readonly #url: string;
  readonly #application: string;
  readonly #log: Logger;
  readonly #handlers = new Map<string, () => void>();
  #client: Client | null = null;
  #stopped = false;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(url: string, application: string, log: Logger) {
    this.#url = url;
    this.#application = application;
    this.#log = log;
  }

  /** The connection while it lives: locks taken on it end with it. */
  get client(): Client | null {
    return this.#client;
  }

  /** Calls `handler` at each notice on the channel, and after each reconnect, since notices may have been missed. */
  on(channel: string, handler: () => void): void {
    this.#handlers.set(channel, handler);
  }

  start(): void {
    void this.#connect();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    const client = this.#client;
    this.#client = null;
    await client?.end();
  }

  async #connect(): Promise<void> {
    let client: Client | null = null;
    try {
      client = await connect(this.#url, this.#application);
      if (this.#stopped) return await client.end();
      client.on("error", (error) => this.#lost(error));
      client.on("end", () => this.#lost(undefined));
      client.on("notification", (notice) => this.#handlers.get(notice.channel)?.());
      await listenTo(client, [...this.#handlers.keys()]);
      this.#client = client;
      this.#failures = 0;
      for (const handler of this.#handlers.values()) handler();
    } catch (error) {
      if (this.#failures === 0) this.#log.warn({ event: "listen-failed", err: error });
      client?.end().catch((endError: unknown) => this.#log.debug({ event: "connection-thrown-away", err: endError }));
      this.#retry();
    }
  }

  #lost(error: Error | undefined): void {
    if (this.#stopped || this.#client === null) return;
    this.#client = null;
    this.#log.warn({ event: "listen-lost", err: error });
    this.#retry();
  }

  #retry(): void {
    if (this.#stopped) return;
    const pause = Math.min(lastPauseMs, firstPauseMs * 2 ** Math.min(this.#failures, 6));
    this.#failures += 1;
    this.#timer = setTimeout(() => void this.#connect(), pause * (0.5 + Math.random() / 2));
  }
}
