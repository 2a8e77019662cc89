import type { Server as HttpServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../../common/clock.ts";

/** Once a slot that was switched away from has seen no new connection for this long, routers have turned; the rest are asked to leave. */
export const quietBeforeCloseMs = 3_000;

// At the end of a process: requests that are on their way in pooled connections are still answered, each with `Connection: close`, until none has come for
// `silenceMs`. Closing at once would reset connections whose request the process has not read yet.
const silenceMs = 250;
const longestGoodbyeMs = 5_000;
const lookMs = 25;

/** Counts the tenant port's connections and requests, for drains and for knowing when nobody new comes. */
export class ConnectionCounter {
  readonly #clock: Clock;
  #open = 0;
  #inFlight = 0;
  #lastNewAt: number;
  #lastRequestAt = 0;
  #leaving = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#lastNewAt = clock.monotonic();
  }

  get open(): number {
    return this.#open;
  }
  get inFlight(): number {
    return this.#inFlight;
  }
  /** Whether the process ends: whoever is answered is asked to close the connection. */
  get leaving(): boolean {
    return this.#leaving;
  }
  /** Milliseconds since the last new connection. */
  get quietMs(): number {
    return this.#clock.monotonic() - this.#lastNewAt;
  }

  watch(server: HttpServer): void {
    server.on("connection", (socket) => {
      this.#open += 1;
      this.#lastNewAt = this.#clock.monotonic();
      socket.once("close", () => {
        this.#open -= 1;
      });
    });
  }

  begin(): void {
    this.#inFlight += 1;
    this.#lastRequestAt = this.#clock.monotonic();
  }
  end(): void {
    this.#inFlight -= 1;
  }

  /** Begins the goodbye and resolves when nothing is in flight and nothing new has come for a moment; bounded. */
  async leave(): Promise<void> {
    this.#leaving = true;
    const began = this.#clock.monotonic();
    const over = (): boolean => {
      const now = this.#clock.monotonic();
      const silent = this.#inFlight === 0 && now - Math.max(began, this.#lastRequestAt) >= silenceMs;
      return silent || this.#open === 0 || now - began >= longestGoodbyeMs;
    };
    while (!over()) await sleep(lookMs);
  }
}
