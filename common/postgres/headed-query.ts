import pg from "pg";
import type { PoolClient, QueryResult } from "./pool.ts";

/** A statement that goes ahead of another: prepared under its name, its answer not looked at. */
export interface Ahead {
  readonly name: string;
  readonly text: string;
  readonly values: readonly (string | null)[];
}

export interface Statement {
  /** Prepared once a connection under this name; undefined: parsed and planned now. */
  readonly name?: string | undefined;
  readonly text: string;
  readonly values: readonly unknown[];
}

/** The extended protocol: a message holds one statement, whatever was put into its text. */
const oneStatement = { queryMode: "extended" } as const;

/** One of the statements ahead failed, so that the one behind them did not run; the cause is the database's error. */
export class AheadFailed extends Error {
  override readonly name = "AheadFailed";
}

/**
 * Runs a statement behind others in one message, all of them prepared: PostgreSQL is woken once, answers once, and skips what comes after a failure. (Sent
 * one by one, each costs a wake-up and an answer of its own: 35 µs of the server's time, half of what a short statement takes.) What is ahead and opens a
 * transaction leaves it open. A connection's first time takes a message for each.
 * @param client of a pool whose connections send without waiting (`pipeline`).
 * @throws AheadFailed, or the statement's own error.
 */
export async function queryBehind(
  client: PoolClient,
  ahead: readonly Ahead[],
  statement: Statement,
): Promise<QueryResult> {
  const { parsedStatements } = (client as unknown as { readonly connection: Wire }).connection;
  if (ahead.every(({ name }) => parsedStatements[name] !== undefined)) return inOneMessage(client, ahead, statement);
  const before = Promise.all(ahead.map(({ name, text, values }) => client.query({ name, text, values: [...values] })));
  const sent = client.query({ ...statement, ...oneStatement, values: [...statement.values] });
  // What is ahead fails first and is why the statement fails too; that second failure is no news.
  sent.catch(() => undefined);
  await before.catch((cause: unknown) => {
    throw new AheadFailed((cause as Error).message, { cause });
  });
  return sent;
}

function inOneMessage(client: PoolClient, ahead: readonly Ahead[], statement: Statement): Promise<QueryResult> {
  return new Promise((resolve, reject) => {
    const query = new HeadedQuery(ahead, statement, (error, result) => {
      if (error === null) resolve(result);
      else reject(query.headed ? error : new AheadFailed(error.message, { cause: error }));
    });
    client.query(query as unknown as pg.Submittable);
  });
}

/** What pg's own query has and its types leave out (pg 8.23, lib/query.js). */
interface Wire {
  readonly parsedStatements: Record<string, string>;
  bind(binding: { readonly portal: string; readonly statement: string; readonly values: readonly unknown[] }): void;
  execute(execution: { readonly portal: string; readonly rows: number }): void;
}
interface PgQuery {
  prepare(wire: Wire): void;
  handleDataRow(message: unknown): void;
  handleCommandComplete(message: unknown, wire: Wire): void;
}
type Callback = (error: Error | null, result: QueryResult) => void;

const Query = pg.Query as unknown as new (config: Statement & typeof oneStatement, callback: Callback) => PgQuery;

class HeadedQuery extends Query {
  readonly #ahead: readonly Ahead[];
  /** Statements ahead that have been answered. */
  #answered = 0;

  constructor(ahead: readonly Ahead[], statement: Statement, callback: Callback) {
    super({ ...statement, ...oneStatement, values: [...statement.values] }, callback);
    this.#ahead = ahead;
  }

  /** Whether all that is ahead went well. */
  get headed(): boolean {
    return this.#answered === this.#ahead.length;
  }

  override prepare(wire: Wire): void {
    for (const { name, values } of this.#ahead) {
      wire.bind({ portal: "", statement: name, values });
      wire.execute({ portal: "", rows: 0 });
    }
    super.prepare(wire);
  }

  override handleDataRow(message: unknown): void {
    if (this.headed) super.handleDataRow(message);
  }

  override handleCommandComplete(message: unknown, wire: Wire): void {
    if (this.headed) super.handleCommandComplete(message, wire);
    else this.#answered += 1;
  }
}
