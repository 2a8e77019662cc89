import type { Transaction } from "cellplane/kit";

const names = [
  "role",
  "transaction_timeout",
  "statement_timeout",
  "lock_timeout",
  "idle_in_transaction_session_timeout",
  "max_parallel_workers_per_gather",
];

/** What SHOW says in a tenant's transaction, by name. */
export async function readSettings(tx: Transaction): Promise<Record<string, string>> {
  const sql = `SELECT name, current_setting(name) AS value FROM unnest($1::text[]) AS name
    UNION ALL SELECT 'current_user', current_user`;
  const { rows } = await tx.query<{ name: string; value: string }>(sql, [names]);
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
}

export async function wait(tx: Transaction, seconds: number): Promise<void> {
  await tx.query(`SELECT pg_sleep($1)`, [seconds]);
}
