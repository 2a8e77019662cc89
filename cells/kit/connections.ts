import type { Server as HttpServer } from "node:http";
import type { Clock } from "../../common/clock.ts";

/** Once a slot that was switched away from has seen no new connection for this long, routers have turned; the rest are asked to leave. */
export const quietBeforeCloseMs = 3_000;

/** Counts the tenant port's connections and requests, for drains and for knowing when nobody new comes. */
export class ConnectionCounter {
  readonly #clock: Clock;
  #open = 0;
  #inFlight = 0;
  #lastNewAt: number;

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
  }
  end(): void {
    this.#inFlight -= 1;
  }
}
