import type { Transaction } from "../kit/kit.ts";

/** An event as it is stored. */
export interface StoredEvent {
  readonly id: string;
  readonly type: string;
  readonly user: string;
  readonly at: Date;
  readonly value: number | null;
  /** JSON text, null where there are none. */
  readonly properties: string | null;
}

/**
 * Stores events whose id is new to the tenant, in `events` and in the tail that is yet to be rolled up.
 * @returns how many were new.
 */
export async function storeEvents(tx: Transaction, events: readonly StoredEvent[]): Promise<number> {
  const result = await tx.query<{ stored: number }>(
    // In the order of ids, so that two requests with the same ids wait for each other instead of deadlocking.
    `WITH stored AS (
       INSERT INTO events (id, type, user_id, at, value, properties)
       SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::float8[], $6::jsonb[]) AS given (id, type, user_id, at, value, properties)
       ORDER BY id
       ON CONFLICT (tenant_id, id) DO NOTHING
       RETURNING id, type, user_id, at, value
     ), queued AS (
       INSERT INTO tail (id, type, user_id, at, value) SELECT id, type, user_id, at, value FROM stored
     )
     SELECT count(*) AS stored FROM stored`,
    [
      events.map((event) => event.id),
      events.map((event) => event.type),
      events.map((event) => event.user),
      events.map((event) => event.at),
      events.map((event) => event.value),
      events.map((event) => event.properties),
    ],
  );
  return result.rows[0]?.stored ?? 0;
}

/** Removes up to `batch` events that are older than `before`, both by when they happened and by when they came. @returns how many. */
export async function removeEvents(tx: Transaction, before: Date, batch: number): Promise<number> {
  const result = await tx.query(
    `DELETE FROM events WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM events WHERE at < $1 AND received_at < $1 ORDER BY at LIMIT $2)`,
    [before, batch],
  );
  return result.rowCount;
}

/** The GitHub secret of the tenant, undefined where none was set. */
export async function readHookSecret(tx: Transaction): Promise<string | undefined> {
  const result = await tx.query<{ secret: string }>(`SELECT secret FROM hook_secrets WHERE source = 'github'`);
  return result.rows[0]?.secret;
}

export async function writeHookSecret(tx: Transaction, secret: string): Promise<void> {
  await tx.query(
    `INSERT INTO hook_secrets (source, secret) VALUES ('github', $1)
     ON CONFLICT (tenant_id, source) DO UPDATE SET secret = excluded.secret, changed_at = now()`,
    [secret],
  );
}
