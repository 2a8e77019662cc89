import type { Range, Transaction } from "cellplane/kit";

export interface StoredNote {
  readonly id: string;
  readonly text: string;
  readonly words: number | null;
}

const columns = "id, text, words";

/** Saves a note under its id; a note of that id is replaced. */
export async function saveNote(tx: Transaction, id: string, text: string): Promise<StoredNote | undefined> {
  const sql = `INSERT INTO notes (id, text) VALUES ($1, $2)
    ON CONFLICT (tenant_id, id) DO UPDATE SET text = excluded.text, words = NULL RETURNING ${columns}`;
  return (await tx.query<StoredNote>(sql, [id, text])).rows[0];
}

export async function readNote(tx: Transaction, id: string): Promise<StoredNote | undefined> {
  return (await tx.query<StoredNote>(`SELECT ${columns} FROM notes WHERE id = $1`, [id])).rows[0];
}

/** Up to `most` notes by id, after the given one. */
export async function listNotes(tx: Transaction, after: string | null, most: number): Promise<StoredNote[]> {
  const sql = `SELECT ${columns} FROM notes WHERE id > $1 ORDER BY id LIMIT $2`;
  return (await tx.query<StoredNote>(sql, [after ?? "", most])).rows;
}

export async function countNotes(tx: Transaction, { from, to }: Range): Promise<number> {
  const sql = `SELECT count(*) AS notes FROM notes WHERE made_at >= $1 AND made_at < $2`;
  return (await tx.query<{ notes: number }>(sql, [from, to])).rows[0]?.notes ?? 0;
}

/** Counts a note's words. @returns when it was made, undefined where it is gone. */
export async function setWords(tx: Transaction, id: string): Promise<Date | undefined> {
  const sql = `UPDATE notes SET words = coalesce(array_length(regexp_split_to_array(trim(text), '\\s+'), 1), 0)
    WHERE id = $1 RETURNING made_at AS "madeAt"`;
  return (await tx.query<{ madeAt: Date }>(sql, [id])).rows[0]?.madeAt;
}
