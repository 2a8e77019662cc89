import type { Transaction } from "../../../cells/kit/kit.ts";

export interface Note {
  readonly id: string;
  readonly board: number;
  readonly body: string;
}

/**
 * The peer's statement without its tenant: the kit sets that.
 * @param last whether COMMIT travels with it.
 */
export async function insertNote(tx: Transaction, board: number, body: string, last: boolean): Promise<string> {
  const result = await tx.query<{ id: string }>(
    "INSERT INTO notes (board, body) VALUES ($1, $2) RETURNING id",
    [board, body],
    { last },
  );
  return result.rows[0]?.id ?? "";
}

export async function listNotes(tx: Transaction, board: number): Promise<Note[]> {
  const result = await tx.query<Note>(
    "SELECT id, board, body FROM notes WHERE board = $1 ORDER BY id LIMIT 10",
    [board],
    { onePlan: true },
  );
  return result.rows;
}
