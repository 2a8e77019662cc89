import { canonicalJson } from "../../common/canonical.ts";
import type { Envelope, Generation } from "../../common/contracts/fleet.ts";
import { addHash, hashFromText, hashToText, rowHash, subtractHash } from "../../common/fleet/document.ts";
import { inTransaction, type Pool, type Queryable } from "../../common/postgres/pool.ts";
import type { RowUpdate } from "./rows.ts";

/** A generation with the hash of all rows at it. */
export interface Position extends Generation {
  readonly hash: string;
}

/** A delta as stored: signed once, then for ever the same bytes. */
export interface SignedDelta {
  readonly to: Position;
  readonly envelope: Envelope;
}

/**
 * Publishes changes of rows, in the transaction that makes them: takes the next generation under the lock of one row, which is held
 * until the commit, so that commit order is generation order; writes the delta's canonical bytes. Call it last in a transaction, since
 * everybody who publishes waits meanwhile.
 * @returns the new generation, or the present one where no row's value differs from what is published.
 */
export async function publishRows(tx: Queryable, updates: readonly RowUpdate[]): Promise<Position> {
  const from = await lockGeneration(tx);
  const wanted = new Map(updates.map(({ name, value }) => [name, value === null ? null : canonicalJson(value)]));
  const present = await tx.query<{ name: string; value: string }>(
    "SELECT name, value FROM fleet_rows WHERE name = ANY($1)",
    [[...wanted.keys()]],
  );
  const before = new Map(present.rows.map((row) => [row.name, row.value]));
  let hash = hashFromText(from.hash);
  const changes: Record<string, unknown> = {};
  for (const [name, text] of wanted) {
    const old = before.get(name) ?? null;
    if (old === text) continue;
    if (old !== null) hash = subtractHash(hash, rowHash(name, JSON.parse(old)));
    const value: unknown = text === null ? null : JSON.parse(text);
    if (value !== null) hash = addHash(hash, rowHash(name, value));
    changes[name] = value;
  }
  const names = Object.keys(changes);
  if (names.length === 0) return from;
  const to: Position = { term: from.term, n: from.n + 1, hash: hashToText(hash) };
  await writeRows(tx, names, wanted);
  await writeDelta(tx, from, to, changes);
  return to;
}

async function lockGeneration(tx: Queryable): Promise<Position> {
  const { rows } = await tx.query<Position>("SELECT term, n, hash FROM fleet_generation FOR UPDATE");
  const [row] = rows;
  if (row === undefined) throw new Error("the generation row is missing");
  return row;
}

async function writeRows(
  tx: Queryable,
  names: readonly string[],
  wanted: ReadonlyMap<string, string | null>,
): Promise<void> {
  const gone = names.filter((name) => wanted.get(name) === null);
  const kept = names.filter((name) => wanted.get(name) !== null);
  if (gone.length > 0) await tx.query("DELETE FROM fleet_rows WHERE name = ANY($1)", [gone]);
  if (kept.length === 0) return;
  const insert = `INSERT INTO fleet_rows (name, value) SELECT * FROM unnest($1::text[], $2::text[])
    ON CONFLICT (name) DO UPDATE SET value = excluded.value`;
  await tx.query(insert, [kept, kept.map((name) => wanted.get(name))]);
}

async function writeDelta(
  tx: Queryable,
  from: Position,
  to: Position,
  changes: Record<string, unknown>,
): Promise<void> {
  const delta = {
    kind: "delta",
    from: { term: from.term, n: from.n },
    to: { term: to.term, n: to.n },
    hash: to.hash,
    changes,
  };
  await tx.query("INSERT INTO fleet_deltas (term, n, hash, payload) VALUES ($1, $2, $3, $4)", [
    to.term,
    to.n,
    to.hash,
    canonicalJson(delta),
  ]);
  await tx.query("UPDATE fleet_generation SET term = $1, n = $2, hash = $3", [to.term, to.n, to.hash]);
  await tx.query("SELECT pg_notify('cellplane', $1)", [JSON.stringify({ topic: "fleet" })]);
}

/** The present generation, published or about to be. */
export async function currentPosition(db: Queryable): Promise<Position> {
  const { rows } = await db.query<Position>("SELECT term, n, hash FROM fleet_generation");
  const [row] = rows;
  if (row === undefined) throw new Error("the generation row is missing");
  return row;
}

/** Deltas that nobody has signed yet, oldest first. */
export async function unsignedDeltas(
  db: Queryable,
  limit: number,
): Promise<{ term: number; n: number; payload: string }[]> {
  const text = "SELECT term, n, payload FROM fleet_deltas WHERE signature IS NULL ORDER BY term, n LIMIT $1";
  return (await db.query<{ term: number; n: number; payload: string }>(text, [limit])).rows;
}

/** Stores signatures; the first stored wins. */
export async function storeSignatures(
  db: Queryable,
  signed: readonly { readonly term: number; readonly n: number; readonly kid: string; readonly signature: string }[],
): Promise<void> {
  const text = `UPDATE fleet_deltas d SET kid = s.kid, signature = s.signature
    FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[]) AS s (term, n, kid, signature)
    WHERE d.term = s.term AND d.n = s.n AND d.signature IS NULL`;
  await db.query(text, [
    signed.map((s) => s.term),
    signed.map((s) => s.n),
    signed.map((s) => s.kid),
    signed.map((s) => s.signature),
  ]);
}

/** Signed deltas after a generation, in order, ending before the first that is not signed yet. */
export async function signedDeltasAfter(db: Queryable, after: Generation, limit: number): Promise<SignedDelta[]> {
  interface Row {
    term: number;
    n: number;
    hash: string;
    payload: string;
    kid: string | null;
    signature: string | null;
  }
  const text = `SELECT term, n, hash, payload, kid, signature FROM fleet_deltas WHERE (term, n) > ($1, $2) ORDER BY term, n LIMIT $3`;
  const { rows } = await db.query<Row>(text, [after.term, after.n, limit]);
  const signed: SignedDelta[] = [];
  for (const { term, n, hash, payload, kid, signature } of rows) {
    if (kid === null || signature === null) break;
    signed.push({ to: { term, n, hash }, envelope: { payload, kid, signature } });
  }
  return signed;
}

/** Forgets deltas older than the newest `keep`; a subscriber that is further behind takes the snapshot. */
export async function forgetDeltas(db: Queryable, keep: number): Promise<void> {
  await db.query("DELETE FROM fleet_deltas d USING fleet_generation g WHERE d.term < g.term OR d.n <= g.n - $1", [
    keep,
  ]);
}

/** All rows at one generation, read in one snapshot of the database. */
export async function readDocument(
  pool: Pool,
): Promise<{ readonly at: Position; readonly rows: Record<string, unknown> }> {
  return await inTransaction(pool, async (tx) => {
    await tx.query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY");
    const at = await currentPosition(tx);
    const { rows } = await tx.query<{ name: string; value: string }>("SELECT name, value FROM fleet_rows");
    return { at, rows: Object.fromEntries(rows.map(({ name, value }) => [name, JSON.parse(value) as unknown])) };
  });
}

/** The snapshot stored for a generation, if any. */
export async function storedSnapshot(db: Queryable, at: Generation): Promise<Envelope | null> {
  const text = "SELECT payload, kid, signature FROM fleet_snapshots WHERE term = $1 AND n = $2";
  return (await db.query<Envelope>(text, [at.term, at.n])).rows[0] ?? null;
}

/** Stores a snapshot (the first stored wins) and forgets all but the newest few. */
export async function storeSnapshot(db: Queryable, at: Generation, envelope: Envelope): Promise<Envelope> {
  const insert =
    "INSERT INTO fleet_snapshots (term, n, payload, kid, signature) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
  await db.query(insert, [at.term, at.n, envelope.payload, envelope.kid, envelope.signature]);
  const stored = await storedSnapshot(db, at);
  await db.query(
    "DELETE FROM fleet_snapshots WHERE (term, n) < (SELECT term, n FROM fleet_snapshots ORDER BY term DESC, n DESC OFFSET 1 LIMIT 1)",
  );
  return stored ?? envelope;
}
