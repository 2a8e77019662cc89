import type { Transaction } from "../../../../cells/kit/kit.ts";

export async function insertEntry(tx: Transaction, entry: string, attempt: number): Promise<void> {
  await tx.query("INSERT INTO entries (entry, attempt) VALUES ($1, $2)", [entry, attempt]);
}

/** Ends the connection under the transaction, as a poison job might. */
export async function endOwnConnection(tx: Transaction): Promise<void> {
  await tx.query("SELECT pg_terminate_backend(pg_backend_pid())");
}

/** A statement that fails, its error kept quiet. */
export async function failQuietly(tx: Transaction): Promise<void> {
  await tx.query("SELECT 1/0").catch(() => undefined);
}
