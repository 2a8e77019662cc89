import type { Look, Watch } from "../../common/contracts/bake.ts";
import type { Samples } from "../../common/contracts/samples.ts";
import type { OperationId } from "../../common/ids.ts";
import type { Queryable } from "../../common/postgres/pool.ts";

/** A watch without its looks: what it was opened with. */
export type OpenedWatch = Omit<Watch, "looks">;

/** The newest reading of each router, with which the next look is compared. */
export type LastReadings = Readonly<Record<string, Samples>>;

interface WatchRow {
  readonly document: OpenedWatch;
  readonly last: LastReadings;
}

/** Opens a watch; does nothing where it is open. */
export async function insertWatch(db: Queryable, operation: OperationId, watch: OpenedWatch): Promise<void> {
  const text = `INSERT INTO rollout_watches (operation, number, wave, began_at, document, last)
    VALUES ($1, $2, $3, $4, $5, '{}') ON CONFLICT (operation, number) DO NOTHING`;
  await db.query(text, [operation, watch.number, watch.wave, watch.beganAt, JSON.stringify(watch)]);
}

/** The watch, locked until the transaction ends, with what its next look is compared with; null where there is none. */
export async function lockWatch(tx: Queryable, operation: OperationId, number: number): Promise<WatchRow | null> {
  const text = "SELECT document, last FROM rollout_watches WHERE operation = $1 AND number = $2 FOR UPDATE";
  return (await tx.query<WatchRow>(text, [operation, number])).rows[0] ?? null;
}

/** Writes a look and what the next one is compared with. A look that is written already stays. @returns the one that is kept. */
export async function insertLook(
  tx: Queryable,
  of: { readonly operation: OperationId; readonly number: number; readonly look: number },
  look: Look,
  last: LastReadings,
): Promise<Look> {
  const text = `INSERT INTO rollout_looks (operation, number, look, document) VALUES ($1, $2, $3, $4)
    ON CONFLICT (operation, number, look) DO NOTHING`;
  const key = [of.operation, of.number, of.look];
  const { rowCount } = await tx.query(text, [...key, JSON.stringify(look)]);
  if (rowCount === 0) {
    const kept = "SELECT document FROM rollout_looks WHERE operation = $1 AND number = $2 AND look = $3";
    return (await tx.query<{ document: Look }>(kept, key)).rows[0]?.document ?? look;
  }
  const newest = "UPDATE rollout_watches SET last = $3 WHERE operation = $1 AND number = $2";
  await tx.query(newest, [of.operation, of.number, JSON.stringify(last)]);
  return look;
}

/** A watch with its looks, all or those before one; null where there is none. */
export async function findWatch(
  db: Queryable,
  operation: OperationId,
  number: number,
  before: number | null = null,
): Promise<Watch | null> {
  const opened = await db.query<WatchRow>(
    "SELECT document, last FROM rollout_watches WHERE operation = $1 AND number = $2",
    [operation, number],
  );
  const document = opened.rows[0]?.document;
  if (document === undefined) return null;
  const looks = await db.query<{ document: Look }>(
    "SELECT document FROM rollout_looks WHERE operation = $1 AND number = $2 AND ($3::int IS NULL OR look < $3) ORDER BY look",
    [operation, number, before],
  );
  return { ...document, looks: looks.rows.map((row) => row.document) };
}

/** Numbers of a rollout's watches, oldest first. */
export async function watchNumbers(db: Queryable, operation: OperationId): Promise<number[]> {
  const text = "SELECT number FROM rollout_watches WHERE operation = $1 ORDER BY number";
  return (await db.query<{ number: number }>(text, [operation])).rows.map(({ number }) => number);
}

/** The newest watch over a wave that was compared with others; null where none was. */
export async function lastComparison(
  db: Queryable,
  operation: OperationId,
  wave: number,
): Promise<Watch["comparison"]> {
  const text = `SELECT document FROM rollout_watches WHERE operation = $1 AND wave = $2 ORDER BY number DESC LIMIT 1`;
  return (await db.query<WatchRow>(text, [operation, wave])).rows[0]?.document.comparison ?? null;
}
