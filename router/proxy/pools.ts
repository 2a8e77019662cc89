import type { DeadlineList, Deadlines } from "./deadlines.ts";
import { Upstream, type Asker, type Keeper } from "./upstream.ts";

/**
 * Idle connections to cells are closed by the router after this time, well before the cell's own keep-alive of 75 s, so that no request
 * meets a connection that the cell is just closing. Short, because a slot that was switched away from is drained when the last one is gone, and where nobody
 * asks the router does not learn of the switch by an answer.
 */
const idleMs = 4_000;
/** Idle connections kept per slot. */
const maxIdle = 128;

export interface PoolTimes {
  readonly connectTimeoutMs: number;
  readonly firstByteTimeoutMs: number;
  readonly answerIdleTimeoutMs: number;
}

/** What connections to cells may wait for. */
interface PoolDeadlines {
  readonly connect: DeadlineList;
  readonly firstByte: DeadlineList;
  readonly moreBytes: DeadlineList;
  readonly idle: DeadlineList;
}

/** The connections to one slot of a cell that stand idle, last used first: what is not needed ages at the bottom. */
export class Pool implements Keeper {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly firstByte: DeadlineList;
  readonly moreBytes: DeadlineList;
  readonly #deadlines: PoolDeadlines;
  readonly #idle: Upstream[] = [];
  #retired = false;

  constructor(url: string, deadlines: PoolDeadlines) {
    this.url = url;
    const { hostname, port } = new URL(url);
    this.host = hostname;
    this.port = Number(port === "" ? 80 : port);
    this.#deadlines = deadlines;
    this.firstByte = deadlines.firstByte;
    this.moreBytes = deadlines.moreBytes;
  }

  get retired(): boolean {
    return this.#retired;
  }

  /** @returns a connection for one request; where it is still `connecting`, the asker hears when it is there. */
  take(asker: Asker): Upstream {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      idle.disarm();
      // Broken a moment ago, its `close` not yet heard.
      if (idle.socket.destroyed) continue;
      idle.take(asker);
      return idle;
    }
    const made = new Upstream(this, asker);
    this.#deadlines.connect.arm(made);
    return made;
  }

  /** @returns whether the connection is kept for another request; else it has to be closed. */
  keep(upstream: Upstream): boolean {
    if (this.#retired || this.#idle.length >= maxIdle) return false;
    this.#idle.push(upstream);
    this.#deadlines.idle.arm(upstream);
    return true;
  }

  remove(upstream: Upstream): void {
    const at = this.#idle.indexOf(upstream);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  /** Keeps no connection any more; what is in flight finishes. */
  retire(): void {
    this.#retired = true;
    for (const upstream of this.#idle.splice(0)) upstream.destroy();
  }
}

/** Pools by address of slots. One request at a time on each connection. */
export class Pools {
  readonly #deadlines: PoolDeadlines;
  readonly #byUrl = new Map<string, Pool>();

  constructor(deadlines: Deadlines, times: PoolTimes) {
    const tooLong = (item: unknown) => (item as Upstream).timedOut();
    this.#deadlines = {
      connect: deadlines.list(times.connectTimeoutMs, tooLong),
      firstByte: deadlines.list(times.firstByteTimeoutMs, tooLong),
      moreBytes: deadlines.list(times.answerIdleTimeoutMs, tooLong),
      idle: deadlines.list(idleMs, tooLong),
    };
  }

  /** @param url a slot's address as the document gives it. */
  of(url: string): Pool {
    let pool = this.#byUrl.get(url);
    if (pool === undefined) {
      pool = new Pool(url, this.#deadlines);
      this.#byUrl.set(url, pool);
    }
    return pool;
  }

  /**
   * Closes what stands idle, and the rest as soon as its answer is out: the slot is not live any more, and it must not be the cell that
   * closes a connection on which the router may just be sending. A later request begins a new pool.
   */
  retire(url: string): void {
    this.#byUrl.get(url)?.retire();
    this.#byUrl.delete(url);
  }

  /** Closes all idle connections; the others close with their requests. */
  close(): void {
    for (const pool of this.#byUrl.values()) pool.retire();
    this.#byUrl.clear();
  }
}
