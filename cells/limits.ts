// How long a tenant's work may hold the database, and how many connections there are for it. Each number says why it is that one.

/** Connections of one process, by the role that they bear. */
export interface PoolSizes {
  /** Tenants' transactions. */
  readonly app: number;
  /** The kit's own: leases, outbox, status. */
  readonly system: number;
}

/**
 * A cell's PostgreSQL takes 80 connections. Two slots run side by side during a deploy, so that one slot may have half of them less what migrations,
 * moves, backups and people need: 14 + 12 + 2 listeners = 28 a slot, 56 of 80. More connections than this would not be quicker: a transaction is a few
 * short statements, and a cell has a few cores; who finds none free waits, at most two seconds (`common/postgres/pool.ts`).
 */
export const apiPools: PoolSizes = { app: 10, system: 4 };
/** Six jobs at once, the scheduler and the sweepers. */
export const workerPools: PoolSizes = { app: 8, system: 4 };

/**
 * Limits of a tenant's transaction, set on each connection, so that no code path can forget them; the database enforces them even when the process hangs.
 * Every one ends in 503 `transaction-too-long` with nothing done.
 */
export const tenantTimeouts = {
  /**
   * A transaction, from BEGIN to COMMIT. A freeze waits for the writers that are under way, and a deploy for requests in flight: both need an end
   * that is near. What takes longer is a job, in several transactions.
   */
  transactionMs: 5_000,
  /** One statement. A little less, because a statement's end keeps the connection, that of the transaction throws it away. */
  statementMs: 4_500,
  /** Waiting for a row that another request has locked. Less again, so that one stuck writer does not hold everybody else for the whole time. */
  lockMs: 3_000,
  /**
   * Between two statements. The process only has to run its own code then: a call to the outside does not belong into a transaction. Long enough for
   * a process whose event loop is busy.
   */
  idleInTransactionMs: 2_500,
} as const;
