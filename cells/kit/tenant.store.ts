import type { Logger } from "../../common/log.ts";
import type { TenantId } from "../../common/ids.ts";
import { matches } from "../../common/ids.ts";
import type { Pool, PoolClient } from "../../common/postgres/pool.ts";
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

/** Told before COMMIT is sent: from then on it is not certain that nothing happened. */
export type CommitWitness = () => void;

const begin = {
  // One snapshot for all statements, so that several reads fit together; nothing can be written.
  read: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
  // The fence refuses any other isolation for writes.
  write: "BEGIN ISOLATION LEVEL READ COMMITTED",
} as const;

/**
 * Runs tenants' transactions as the unprivileged role. BEGIN, the lease's check and the first statement travel together, without waiting for
 * each other's answers, and nobody waits for the end of a read: one statement takes one round trip to read and two to write.
 */
export class TenantDatabase {
  readonly #pool: Pool;
  readonly #log: Logger;
  readonly #names = new StatementNames();
  readonly #admitWrite: () => void;

  /**
   * @param pool whose connections send without waiting (`pipeline`).
   * @param admitWrite called before a write begins; what it throws refuses it.
   */
  constructor(pool: Pool, log: Logger, admitWrite: () => void = () => undefined) {
    this.#pool = pool;
    this.#log = log;
    this.#admitWrite = admitWrite;
  }

  /**
   * Commits what `work` did and returns its result, or rolls back and rethrows.
   * @throws disk-nearly-full, and the refusals of `cellplane.enter` and the fence, as database errors with their own SQLSTATEs.
   */
  async run<Result>(
    scope: TenantScope,
    mode: "read" | "write",
    work: (tx: Transaction) => Promise<Result>,
    beforeCommit?: CommitWitness,
  ): Promise<Result> {
    if (mode === "write") this.#admitWrite();
    const client = await this.#pool.connect();
    let broken: Error | undefined;
    let transaction: PostgresTransaction | undefined;
    let entered: Promise<number> | undefined;
    try {
      entered = enter(client, scope, mode);
      // Whoever asks for a given epoch knows what the answer will be, if it is not a refusal.
      entered.catch(() => undefined);
      transaction = new PostgresTransaction(client, scope.tenant, scope.epoch ?? (await entered), entered, this.#names);
      const result = await work(transaction);
      await entered;
      transaction.end();
      if (mode === "read") {
        this.#endRead(client);
      } else {
        beforeCommit?.();
        await commit(client);
      }
      return result;
    } catch (error) {
      transaction?.end();
      // A refusal is why the statements after it failed.
      const refusal = await entered?.then(
        () => undefined,
        (cause: unknown) => ({ cause }),
      );
      broken = await rollBack(client);
      throw refusal === undefined ? error : refusal.cause;
    } finally {
      if (broken !== undefined) this.#log.debug({ event: "connection-thrown-away", err: broken });
      client.release(broken);
    }
  }

  /** Nothing hangs on the end of a read; whoever takes the connection next sends behind it. */
  #endRead(client: PoolClient): void {
    client.query("COMMIT").catch((error: unknown) => this.#log.debug({ event: "read-not-ended", err: error }));
  }
}

async function enter(client: PoolClient, scope: TenantScope, mode: "read" | "write"): Promise<number> {
  // The simple protocol takes several statements at once but no parameters; both values are checked to be what they seem.
  if (!matches("uuid", scope.tenant)) throw new TypeError("a tenant's id is a UUID");
  if (scope.epoch !== null && !Number.isSafeInteger(scope.epoch)) throw new TypeError("an epoch is an integer");
  const answer = (await client.query(
    `${begin[mode]}; SELECT cellplane.enter('${scope.tenant}', ${scope.epoch ?? "NULL"}) AS epoch`,
  )) as unknown as readonly { readonly rows: readonly { readonly epoch: number }[] }[];
  const epoch = answer[1]?.rows[0]?.epoch;
  if (epoch === undefined) throw new Error("cellplane.enter answered nothing");
  return epoch;
}

/** PostgreSQL answers COMMIT of a transaction in which a statement failed with ROLLBACK, and calls it a success. */
async function commit(client: PoolClient): Promise<void> {
  const { command } = await client.query("COMMIT");
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
  readonly epoch: number;
  readonly #client: PoolClient;
  readonly #names: StatementNames;
  /** The lease's check; null once it has passed. */
  #entered: Promise<number> | null;
  #ended = false;

  constructor(client: PoolClient, tenant: TenantId, epoch: number, entered: Promise<number>, names: StatementNames) {
    this.#client = client;
    this.tenant = tenant;
    this.epoch = epoch;
    this.#entered = entered;
    this.#names = names;
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
    const name = this.#names.nameOf(text, options.onePlan ?? false);
    const sent = this.#client.query({
      ...(name === undefined ? {} : { name }),
      text,
      values: [...values],
      ...oneStatement,
    });
    if (this.#entered !== null) {
      // Not one after the other: the statement's own failure would go unheard while the check is waited for.
      await Promise.all([this.#entered, sent]);
      this.#entered = null;
    }
    const result = await sent;
    return { rows: result.rows as Row[], rowCount: result.rowCount ?? 0 };
  }
}
