import type { Transaction } from "../../../../cells/kit/kit.ts";

export interface Thing {
  readonly id: string;
  readonly name: string;
}

export async function addThing(tx: Transaction, name: string): Promise<Thing> {
  const result = await tx.query<Thing>("INSERT INTO things (name) VALUES ($1) RETURNING id, name", [name]);
  return result.rows[0] as Thing;
}

export async function addThingAt(tx: Transaction, name: string): Promise<{ id: string; at: Date }> {
  const result = await tx.query<{ id: string; at: Date }>(
    "INSERT INTO things (name) VALUES ($1) RETURNING id, now() AS at",
    [name],
  );
  return result.rows[0] as { id: string; at: Date };
}

export async function readThing(tx: Transaction, id: string, lock = false): Promise<Thing | undefined> {
  const result = await tx.query<Thing>(`SELECT id, name FROM things WHERE id = $1 ${lock ? "FOR UPDATE" : ""}`, [id]);
  return result.rows[0];
}

export async function renameThing(tx: Transaction, id: string, name: string): Promise<void> {
  await tx.query("UPDATE things SET name = $2 WHERE id = $1", [id, name]);
}

export async function restInDatabase(tx: Transaction, seconds: number): Promise<void> {
  await tx.query("SELECT pg_sleep($1)", [seconds]);
}
