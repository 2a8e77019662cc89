import type { TenantId } from "../../../common/ids.ts";
import type { Queryable } from "../../../common/postgres/pool.ts";
import type { Transaction } from "../tenant.store.ts";

/** How long a key is known: a client that tries again later than this has forgotten it too. */
const keptFor = "interval '1 day'";
/**
 * How long others wait for a holder that is not heard of. As long as a router waits for an answer: after that the client has been told to try again, and
 * whoever comes then must not be sent away for ever by a process that died. A holder that only was slow is fenced by its name.
 */
const heldFor = "interval '30 seconds'";

/** A request that wants to work under a key. */
export interface KeyClaim {
  readonly key: string;
  /** SHA-256 of what makes the request this request. */
  readonly fingerprint: Buffer;
  /** Name of this very try; unique. */
  readonly holder: string;
}

/** Results of a request's write transactions by number: JSON text, empty for undefined, null where it could not be kept. */
export type Steps = Readonly<Record<string, string | null>>;

export interface StoredAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Null where it was empty. */
  readonly body: Buffer | null;
}

/** What is known of a key. */
export type KeyState =
  | { readonly kind: "ours"; readonly steps: Steps }
  | { readonly kind: "answered"; readonly answer: StoredAnswer }
  /** Answered, with a body too large to keep. */
  | { readonly kind: "answer-lost" }
  | { readonly kind: "other-request" }
  | { readonly kind: "in-progress"; readonly holder: string };

interface KeyRow {
  readonly same: boolean;
  readonly holder: string;
  readonly status: number | null;
  readonly headers: Record<string, string> | null;
  readonly body: Buffer | null;
  readonly kept: boolean;
}

/**
 * Takes a key for a request if it is new, a day old, or left behind: by an older epoch, by a holder whose time is over, or by `lost`.
 * The results of the steps that the one before had committed come with it.
 * @param lost a holder of which the caller knows that it is at work no more.
 */
export async function takeKey(tx: Transaction, claim: KeyClaim, lost: string | null): Promise<KeyState> {
  const taken = await tx.query<{ steps: Steps }>(
    `INSERT INTO cellplane.idempotency_keys AS held (key, fingerprint, holder, epoch, held_until)
     VALUES ($1, $2, $3, $4, clock_timestamp() + ${heldFor})
     ON CONFLICT (tenant_id, key) DO UPDATE SET fingerprint = excluded.fingerprint, holder = excluded.holder, epoch = excluded.epoch,
       held_until = excluded.held_until, status = NULL, headers = NULL, body = NULL, kept = true,
       steps = CASE WHEN held.created_at < clock_timestamp() - ${keptFor} THEN '{}' ELSE held.steps END,
       created_at = CASE WHEN held.created_at < clock_timestamp() - ${keptFor} THEN clock_timestamp() ELSE held.created_at END
     WHERE held.created_at < clock_timestamp() - ${keptFor}
       OR (held.status IS NULL AND held.fingerprint = excluded.fingerprint
         AND (held.epoch < excluded.epoch OR held.held_until < clock_timestamp() OR held.holder = $5))
     RETURNING steps`,
    [claim.key, claim.fingerprint, claim.holder, tx.epoch, lost],
  );
  const ours = taken.rows[0];
  if (ours !== undefined) return { kind: "ours", steps: ours.steps };
  // A statement of its own, because a later snapshot sees the row that the one above met.
  const known = await tx.query<KeyRow>(
    `SELECT fingerprint = $2 AS same, holder, status, headers, body, kept FROM cellplane.idempotency_keys WHERE key = $1`,
    [claim.key, claim.fingerprint],
  );
  const row = known.rows[0];
  // The holder let go between the two statements; the client comes again.
  if (row === undefined) return { kind: "in-progress", holder: "" };
  return stateOf(row);
}

function stateOf(row: KeyRow): KeyState {
  if (!row.same) return { kind: "other-request" };
  if (row.status === null) return { kind: "in-progress", holder: row.holder };
  if (!row.kept) return { kind: "answer-lost" };
  return { kind: "answered", answer: { status: row.status, headers: row.headers ?? {}, body: row.body } };
}

/**
 * Writes the result of a step into the transaction that the step is, and gives the holder more time.
 * @returns whether the key is still the holder's; if not, the transaction must not commit.
 */
export async function recordStep(
  tx: Transaction,
  key: string,
  holder: string,
  step: { readonly number: number; readonly result: string | null },
): Promise<boolean> {
  const recorded = await tx.query(
    `UPDATE cellplane.idempotency_keys SET steps = steps || jsonb_build_object($3::text, $4::text), held_until = clock_timestamp() + ${heldFor}
     WHERE key = $1 AND holder = $2 AND status IS NULL`,
    [key, holder, String(step.number), step.result],
  );
  return recorded.rowCount === 1;
}

/** Keeps the answer. @param answer `body` undefined where it is too large. @returns whether the key was still the holder's. */
export async function storeAnswer(
  tx: Transaction,
  key: string,
  holder: string,
  answer: Omit<StoredAnswer, "body"> & { readonly body: Buffer | null | undefined },
): Promise<boolean> {
  const stored = await tx.query(
    `UPDATE cellplane.idempotency_keys SET status = $3, headers = $4, body = $5, kept = $6, steps = '{}'
     WHERE key = $1 AND holder = $2 AND status IS NULL`,
    [
      key,
      holder,
      answer.status,
      JSON.stringify(answer.headers),
      answer.body === undefined ? null : answer.body,
      answer.body !== undefined,
    ],
  );
  return stored.rowCount === 1;
}

/** Lets go of a key without an answer: what was done stays known, what was not leaves nothing behind. */
export async function letGoOfKey(tx: Transaction, key: string, holder: string): Promise<void> {
  const own = "key = $1 AND holder = $2 AND status IS NULL";
  const forgotten = await tx.query(`DELETE FROM cellplane.idempotency_keys WHERE ${own} AND steps = '{}'`, [
    key,
    holder,
  ]);
  if (forgotten.rowCount === 0)
    await tx.query(`UPDATE cellplane.idempotency_keys SET held_until = '-infinity' WHERE ${own}`, [key, holder]);
}

/** Tenants that are served here and have keys older than a day. */
export async function tenantsWithOldKeys(system: Queryable, most: number): Promise<TenantId[]> {
  const result = await system.query<{ tenant_id: TenantId }>(
    `SELECT l.tenant_id FROM cellplane.leases l
     WHERE l.state = 'active' AND NOT l.suspended AND EXISTS (
       SELECT FROM cellplane.idempotency_keys k WHERE k.tenant_id = l.tenant_id AND k.created_at < clock_timestamp() - ${keptFor})
     LIMIT $1`,
    [most],
  );
  return result.rows.map((row) => row.tenant_id);
}

/** Forgets up to `batch` of the tenant's old keys. @returns how many. */
export async function forgetOldKeys(tx: Transaction, batch: number): Promise<number> {
  const result = await tx.query(
    `DELETE FROM cellplane.idempotency_keys WHERE (tenant_id, key) IN (
       SELECT tenant_id, key FROM cellplane.idempotency_keys WHERE tenant_id = $1 AND created_at < clock_timestamp() - ${keptFor}
       ORDER BY created_at LIMIT $2)`,
    [tx.tenant, batch],
  );
  return result.rowCount;
}
