import type { Transaction } from "../../../../cells/kit/kit.ts";

export async function insertNote(tx: Transaction, note: string): Promise<void> {
  await tx.query("INSERT INTO notes (note) VALUES ($1)", [note]);
}

export async function hasNote(tx: Transaction, note: string): Promise<boolean> {
  return (await tx.query("SELECT FROM notes WHERE note = $1", [note])).rowCount > 0;
}
