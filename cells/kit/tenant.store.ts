import type { Logger } from "../../common/log.ts";
import type { TenantId } from "../../common/ids.ts";
import {
  AheadFailed,
  queryBehind,
  type Ahead,
  type Answer,
  type Statement,
} from "../../common/postgres/headed-query.ts";
import type { Pool, PoolClient, QueryResult } from "../../common/postgres/pool.ts";
import { FairShare } from "./fair-share.ts";
import { refuseUnlessData } from "./statement-kinds.ts";
import { StatementNames } from "./statements.ts";

/** Whose transaction, and at which epoch; an epoch of null means "whatever the lease says now" (jobs). */
export interface TenantScope {
  readonly tenant: TenantId;
  readonly epoch: number | null;
}

export interface QueryOptions {
  /**
   * The statement has one sensible plan for every tenant and every value, as a look-up by key or index has: each connection then parses and
   * plans it once, which saves about half of its cost. INSERT … VALUES is kept so anyway.
   */
  readonly onePlan?: boolean;
  /**
   * No statement comes behind it: COMMIT travels with it, which saves a round trip of two. Where `work` fails after it, what it did stays done. Nothing
   * changes for a read, under an idempotency key and in a job, where the kit writes behind the work.
   */
  readonly last?: boolean;
}

/**
 * A transaction of one tenant: no statement in it sees or touches another tenant's rows. Its first statement travels with the lease's check and is
 * refused where that is; what a transaction does outside of the database it therefore does after its first statement.
 */
export interface Transaction {
  readonly tenant: TenantId;
  /** Epoch of the lease under which it runs. */
  readonly epoch: number;
  /** Runs a statement with `$1`-style parameters. */
  query<Row = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
    options?: QueryOptions,
  ): Promise<{ readonly rows: Row[]; readonly rowCount: number }>;
}

export interface CommitOptions {
  /** Told before COMMIT is sent: from then on it is not certain that nothing happened. */
  readonly beforeCommit?: () => void;
  /** Told where the database refused what travelled before COMMIT, or COMMIT itself: nothing happened after all. */
  readonly notCommitted?: () => void;
  /** Whether the work may send COMMIT along with its last statement; not where the kit has something to write behind it. */
  readonly workMayEnd?: boolean;
}

const commit = { name: "kit_commit", text: "COMMIT", values: [] } as const;
const begin = {
  // One snapshot for all statements, so that several reads fit together; nothing can be written.
  read: { name: "kit_begin_read", text: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", values: [] },
  // The fence refuses any other isolation for writes.
  write: { name: "kit_begin_write", text: "BEGIN ISOLATION LEVEL READ COMMITTED", values: [] },
} as const;
const enter = {
  read: { name: "kit_enter", text: "SELECT cellplane.enter($1, $2) AS epoch" },
  write: { name: "kit_enter_write", text: "SELECT cellplane.enter_write($1, $2) AS epoch" },
} as const;

/**
 * Runs tenants' transactions as the unprivileged role. BEGIN, the lease's check and the first statement are one message, and nobody waits for the
 * end of a read: one statement takes one round trip to read and two to write (docs/decisions/0025).
 */
export class TenantDatabase {
  readonly #pool: Pool;
  readonly #log: Logger;
  readonly #names = new StatementNames();
  readonly #admitWrite: () => void;
  readonly #share: FairShare;

  /**
   * @param pool whose connections send without waiting (`pipeline`).
   * @param admitWrite called before a write begins; what it throws refuses it.
   * @param share how tenants share its connections.
   */
  constructor(
    pool: Pool,
    log: Logger,
    admitWrite: () => void = () => undefined,
    share: FairShare = new FairShare(pool.options.max),
  ) {
    this.#pool = pool;
    this.#log = log;
    this.#admitWrite = admitWrite;
    this.#share = share;
  }

  /**
   * Commits what `work` did and returns its result, or rolls back and rethrows.
   * @throws disk-nearly-full, too-many-at-once, and the refusals of `cellplane.enter` and the fence, as database errors with their own SQLSTATEs.
   */
  async run<Result>(
    scope: TenantScope,
    mode: "read" | "write",
    work: (tx: Transaction) => Promise<Result>,
    options: CommitOptions = {},
  ): Promise<Result> {
    if (mode === "write") this.#admitWrite();
    await this.#share.enter(scope.tenant);
    try {
      return await this.#transact(scope, mode, work, options);
    } finally {
      this.#share.leave(scope.tenant);
    }
  }

  async #transact<Result>(
    scope: TenantScope,
    mode: "read" | "write",
    work: (tx: Transaction) => Promise<Result>,
    options: CommitOptions,
  ): Promise<Result> {
    const client = await this.#pool.connect();
    const ending = mode === "write" && options.workMayEnd === true ? options : undefined;
    const transaction = new PostgresTransaction(client, scope, mode, this.#names, ending);
    let broken: Error | undefined;
    try {
      if (scope.epoch === null) await transaction.enter();
      const result = await work(transaction);
      await transaction.close();
      if (mode === "read") {
        this.#endRead(client);
      } else if (!transaction.committed) {
        options.beforeCommit?.();
        refuseUnlessCommitted((await client.query({ ...commit, values: [] })).command);
      }
      return result;
    } catch (error) {
      transaction.end();
      broken = transaction.begun && !transaction.committed ? await rollBack(client) : undefined;
      // A refusal is why the statements after it failed.
      throw transaction.refusal ?? error;
    } finally {
      if (broken !== undefined) this.#log.debug({ event: "connection-thrown-away", err: broken });
      client.release(broken);
    }
  }

  /** Nothing hangs on the end of a read; whoever takes the connection next sends behind it. */
  #endRead(client: PoolClient): void {
    client
      .query({ ...commit, values: [] })
      .catch((error: unknown) => this.#log.debug({ event: "read-not-ended", err: error }));
  }
}

/** An ERROR, unlike a connection that ends (FATAL among the reasons), says for certain that the transaction did not commit. */
function wasRefused(error: unknown): boolean {
  return (error as { severity?: unknown }).severity === "ERROR";
}

/** PostgreSQL answers COMMIT of a transaction in which a statement failed with ROLLBACK, and calls it a success. */
function refuseUnlessCommitted(command: string | undefined): void {
  if (command !== "COMMIT")
    throw new Error(
      "nothing was committed: a statement of this transaction failed, and its error was caught and kept quiet",
    );
}

async function rollBack(client: PoolClient): Promise<Error | undefined> {
  try {
    await client.query("ROLLBACK");
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

/** The extended protocol, also for a statement without parameters: a message then holds exactly one, whatever was put into its text. */
const oneStatement = { queryMode: "extended" } as const;

class PostgresTransaction implements Transaction {
  readonly tenant: TenantId;
  /** Why the lease's check refused the transaction, the database's own error. */
  refusal: Error | undefined;
  /** Whether anything of it was sent. */
  begun = false;
  /** Whether its last statement took COMMIT along, and that went well. */
  committed = false;
  readonly #client: PoolClient;
  readonly #head: readonly Ahead[];
  readonly #names: StatementNames;
  /** Who is told that COMMIT goes along with a statement; undefined where none may. */
  readonly #ending: CommitOptions | undefined;
  #epoch: number | null;
  #ended = false;

  constructor(
    client: PoolClient,
    scope: TenantScope,
    mode: "read" | "write",
    names: StatementNames,
    ending: CommitOptions | undefined,
  ) {
    this.tenant = scope.tenant;
    this.#epoch = scope.epoch;
    this.#client = client;
    this.#names = names;
    this.#ending = ending;
    this.#head = [begin[mode], { ...enter[mode], values: [scope.tenant, scope.epoch?.toString() ?? null] }];
  }

  get epoch(): number {
    if (this.#epoch === null) throw new Error("the transaction has not entered its tenant yet");
    return this.#epoch;
  }

  /** Opens it before its first statement, for whoever must know the epoch. */
  async enter(): Promise<void> {
    this.begun = true;
    try {
      const [, entered] = await Promise.all(
        this.#head.map(({ name, text, values }) =>
          this.#client.query<{ epoch: number }>({ name, text, values: [...values] }),
        ),
      );
      this.#epoch = entered?.rows[0]?.epoch ?? null;
    } catch (error) {
      this.refusal = error as Error;
      throw error;
    }
  }

  /** Ends it after its work; one without any statement checks the lease all the same. @throws the refusal, even one that the work kept quiet. */
  async close(): Promise<void> {
    if (!this.begun) await this.enter();
    this.end();
    if (this.refusal !== undefined) throw this.refusal;
  }

  /** From now on its connection may be another tenant's; work that was not awaited, or took too long, must not reach it. */
  end(): void {
    this.#ended = true;
  }

  async query<Row>(
    text: string,
    values: readonly unknown[] = [],
    options: QueryOptions = {},
  ): Promise<{ rows: Row[]; rowCount: number }> {
    if (this.#ended) throw new Error("the transaction is over; its work must await every statement");
    refuseUnlessData(text);
    const statement = { name: this.#names.nameOf(text, options.onePlan ?? false), text, values: [...values] };
    const result = await (options.last === true && this.#ending !== undefined
      ? this.#last(statement, this.#ending)
      : this.begun
        ? this.#client.query({ ...statement, ...oneStatement })
        : this.#first(statement));
    return { rows: result.rows as Row[], rowCount: result.rowCount ?? 0 };
  }

  async #first(statement: Statement): Promise<QueryResult> {
    return (await this.#send(statement)).result;
  }

  async #last(statement: Statement, ending: CommitOptions): Promise<QueryResult> {
    this.end();
    ending.beforeCommit?.();
    const { result, ended } = await this.#send(statement, commit).catch((error: unknown) => {
      if (wasRefused(error)) ending.notCommitted?.();
      throw error;
    });
    refuseUnlessCommitted(ended ?? (await this.#client.query({ ...commit, values: [] })).command);
    this.committed = true;
    return result;
  }

  /** Sends it behind what opens the transaction, where nothing did yet. */
  async #send(statement: Statement, end?: Ahead): Promise<Answer> {
    const ahead = this.begun ? [] : this.#head;
    this.begun = true;
    try {
      return await queryBehind(this.#client, ahead, statement, end);
    } catch (error) {
      if (!(error instanceof AheadFailed)) throw error;
      this.refusal = error.cause as Error;
      throw this.refusal;
    }
  }
}
