import pg from "pg";
import type { Logger } from "../log.ts";

export type { PoolClient, QueryResult } from "pg";
export type Pool = pg.Pool;
/** Anything that runs a statement: a pool or a client within a transaction. */
export type Queryable = Pick<pg.ClientBase, "query">;

// int8 arrives as text by default; our counters and epochs stay far below 2^53.
pg.types.setTypeParser(pg.types.builtins.INT8, (text) => Number(text));

export interface PoolOptions {
  readonly url: string;
  /** Name shown in pg_stat_activity. */
  readonly application: string;
  /** Most connections; default 10. */
  readonly max?: number;
  /** A statement may take this long, in milliseconds; default 5 s. */
  readonly statementTimeoutMs?: number;
  /** A transaction may stand idle this long, in milliseconds; default 5 s. */
  readonly idleInTransactionTimeoutMs?: number;
  /** Statements of one connection are sent without waiting for the answers to those before; a failed one makes the rest of its transaction fail. */
  readonly pipeline?: boolean;
  readonly log: Logger;
}

/** A pool of connections. A lost idle connection is logged and replaced, never thrown. */
export function createPool(options: PoolOptions): Pool {
  const pool = new pg.Pool({
    connectionString: options.url,
    application_name: options.application,
    max: options.max ?? 10,
    statement_timeout: options.statementTimeoutMs ?? 5_000,
    idle_in_transaction_session_timeout: options.idleInTransactionTimeoutMs ?? 5_000,
    connectionTimeoutMillis: 2_000,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    pipeline: options.pipeline ?? false,
  });
  pool.on("error", (error) => options.log.warn({ event: "idle-connection-lost", err: error }));
  // A connection that is lost while it is checked out, between two statements, tells nobody else; unheard, the event would end the process.
  pool.on("connect", (client) => {
    client.on("error", (error) => options.log.debug({ event: "connection-lost", err: error }));
  });
  return pool;
}

/**
 * Runs `work` in one transaction: commits its result, rolls back and rethrows its error. A connection whose rollback fails is
 * thrown away, so that no half-done transaction returns to the pool.
 */
export async function inTransaction<Result>(
  pool: Pool,
  work: (client: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query("BEGIN");
    const result = await work(client);
    await client.query("COMMIT");
    return result;
  } catch (error) {
    await client.query("ROLLBACK").catch((rollbackError: unknown) => {
      broken =
        rollbackError instanceof Error ? rollbackError : new Error("the rollback failed", { cause: rollbackError });
    });
    throw error;
  } finally {
    client.release(broken);
  }
}

/**
 * A single connection outside any pool, for LISTEN and for locks that live as long as their session. One that breaks rejects the query under way and the next;
 * who must know of it while nothing is under way listens for `error` or `end`.
 */
export async function connect(url: string, application: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    application_name: application,
    connectionTimeoutMillis: 2_000,
    keepAlive: true,
  });
  // Without a listener the event of a lost connection would end the process, even where its query has already told of it.
  client.on("error", () => undefined);
  await client.connect();
  return client;
}
export type Client = pg.Client;

/** SQLSTATE of a PostgreSQL error, undefined for any other error. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined;
}
