import { Agent } from "node:http";
import type { Duplex } from "node:stream";

/**
 * Idle connections to cells are closed by the router after this time, well before the cell's own keep-alive of 75 s, so that no request
 * meets a connection that the cell is just closing.
 */
const idleMs = 30_000;
/** Idle connections kept per slot. */
const maxIdle = 128;

/** An agent that can be told to keep no connection any more, while what is in flight finishes. */
class SlotAgent extends Agent {
  #retired = false;

  constructor() {
    super({ keepAlive: true, timeout: idleMs, maxFreeSockets: maxIdle, scheduling: "lifo" });
  }

  retire(): void {
    this.#retired = true;
    for (const sockets of Object.values(this.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }

  /** Called by node when an answer is complete; false closes the connection. */
  override keepSocketAlive(socket: Duplex): boolean {
    return !this.#retired && (super.keepSocketAlive(socket) as unknown as boolean);
  }
}

/** The pooled connections to one slot of a cell. */
export interface Pool {
  readonly host: string;
  readonly port: number;
  readonly agent: SlotAgent;
}

/** Pools by address of slots. One request at a time on each connection. */
export class Pools {
  readonly #byUrl = new Map<string, Pool>();

  /** @param url a slot's address as the document gives it. */
  of(url: string): Pool {
    let pool = this.#byUrl.get(url);
    if (pool === undefined) {
      const { hostname, port } = new URL(url);
      pool = { host: hostname, port: Number(port === "" ? 80 : port), agent: new SlotAgent() };
      this.#byUrl.set(url, pool);
    }
    return pool;
  }

  /**
   * Closes what stands idle, and the rest as soon as its answer is out: the slot is not live any more, and it must not be the cell that
   * closes a connection on which the router may just be sending. A later request begins a new pool.
   */
  retire(url: string): void {
    this.#byUrl.get(url)?.agent.retire();
    this.#byUrl.delete(url);
  }

  /** Closes all connections at once. */
  close(): void {
    for (const { agent } of this.#byUrl.values()) agent.destroy();
    this.#byUrl.clear();
  }
}
