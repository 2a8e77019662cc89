import type { Clock } from "../../common/clock.ts";
import type { CellplaneError } from "../../common/errors.ts";
import type { Logger } from "../../common/log.ts";
import type { Exchange } from "./exchange.ts";

/** Errors logged a second; the rest is counted, so that a cell that is down does not fill the disk. */
const errorsPerSecond = 20;

/** What is logged of requests: every 5xx, the router's and the cells' (bounded), other answers one in so many. */
export class AnswerLog {
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #every: number;
  #count = 0;
  #second = 0;
  #logged = 0;
  #left = 0;

  /** @param every one answer in so many; 0 for none. */
  constructor(log: Logger, clock: Clock, every: number) {
    this.#log = log;
    this.#clock = clock;
    this.#every = every;
  }

  answered(exchange: Exchange): void {
    // What was refused has been logged with its reason; what a cell answered itself has not.
    if (exchange.status >= 500 && !exchange.refused) {
      if (this.#mayLogError()) this.#log.warn({ event: "cell-failed", ...this.#about(exchange) });
      return;
    }
    if (this.#every === 0) return;
    this.#count += 1;
    if (this.#count % this.#every !== 0) return;
    this.#log.info({ event: "answered", ...this.#about(exchange) });
  }

  refused(exchange: Exchange, error: CellplaneError): void {
    const { code, message: detail } = error;
    if (error.status < 500) this.#log.debug({ event: "request-refused", ...this.#about(exchange), code, detail });
    else if (this.#mayLogError())
      this.#log.warn({ event: "request-failed", ...this.#about(exchange), code, detail, err: error.cause });
  }

  #mayLogError(): boolean {
    const second = Math.floor(this.#clock.monotonic() / 1000);
    if (second !== this.#second) {
      if (this.#left > 0) this.#log.warn({ event: "errors-not-logged", count: this.#left });
      this.#second = second;
      this.#logged = 0;
      this.#left = 0;
    }
    this.#logged += 1;
    if (this.#logged <= errorsPerSecond) return true;
    this.#left += 1;
    return false;
  }

  #about(exchange: Exchange): Record<string, unknown> {
    const { checked } = exchange;
    const method = checked?.method ?? null;
    const host = checked?.hostField.slice(0, 200) ?? null;
    // The query stays out of the log: it is where secrets end up.
    const path = checked?.target.split("?", 1)[0]?.slice(0, 200) ?? null;
    const ms = Math.round((this.#clock.monotonic() - exchange.startedAt) * 10) / 10;
    return { requestId: exchange.ids.request, method, host, path, status: exchange.status, ms };
  }
}
