import { Agent } from "node:http";

/**
 * Idle connections to cells are closed by the router after this time, well before the cell's own keep-alive of 75 s, so that no request
 * meets a connection that the cell is just closing.
 */
const idleMs = 30_000;
/** Idle connections kept per slot. */
const maxIdle = 128;

/** The pooled connections to one slot of a cell. */
export interface Pool {
  readonly host: string;
  readonly port: number;
  readonly agent: Agent;
}

/** Pools by address of slots. One request at a time on each connection. */
export class Pools {
  readonly #byUrl = new Map<string, Pool>();

  /** @param url a slot's address as the document gives it. */
  of(url: string): Pool {
    let pool = this.#byUrl.get(url);
    if (pool === undefined) {
      const { hostname, port } = new URL(url);
      const agent = new Agent({ keepAlive: true, timeout: idleMs, maxFreeSockets: maxIdle, scheduling: "lifo" });
      pool = { host: hostname, port: Number(port === "" ? 80 : port), agent };
      this.#byUrl.set(url, pool);
    }
    return pool;
  }

  /** Closes what stands idle: the slot is not live any more, and the cell must not be the one that closes. */
  closeIdle(url: string): void {
    const pool = this.#byUrl.get(url);
    if (pool === undefined) return;
    for (const sockets of Object.values(pool.agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }

  /** Closes all connections to an address that is no cell's any more. */
  forget(url: string): void {
    this.#byUrl.get(url)?.agent.destroy();
    this.#byUrl.delete(url);
  }

  close(): void {
    for (const url of [...this.#byUrl.keys()]) this.forget(url);
  }
}
