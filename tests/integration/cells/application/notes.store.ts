import type { Transaction } from "../../../../cells/kit/kit.ts";

export async function insertNote(tx: Transaction, note: string): Promise<void> {
  await tx.query("INSERT INTO notes (note) VALUES ($1)", [note]);
}
