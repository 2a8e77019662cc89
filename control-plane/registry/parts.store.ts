import type { Part } from "../../common/contracts/control-plane.ts";
import type { Queryable } from "../../common/postgres/pool.ts";

const columns = "id, role, keys, url";

export async function listParts(db: Queryable): Promise<Part[]> {
  return (await db.query<Part>(`SELECT ${columns} FROM parts ORDER BY id`)).rows;
}

export async function findPart(db: Queryable, id: string): Promise<Part | null> {
  return (await db.query<Part>(`SELECT ${columns} FROM parts WHERE id = $1`, [id])).rows[0] ?? null;
}

export async function writePart(tx: Queryable, { id, role, keys, url }: Part): Promise<void> {
  const text = `INSERT INTO parts (id, role, keys, url) VALUES ($1, $2, $3, $4)
    ON CONFLICT (id) DO UPDATE SET keys = excluded.keys, url = excluded.url`;
  await tx.query(text, [id, role, keys, url]);
}
