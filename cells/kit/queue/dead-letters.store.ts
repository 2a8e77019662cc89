import type { DeadLetter, DeadLetterList } from "../../../common/contracts/jobs.ts";
import type { TenantId } from "../../../common/ids.ts";
import type { Queryable } from "../../../common/postgres/pool.ts";
import type { Transaction } from "../tenant.store.ts";
import { outboxChannel } from "./outbox.store.ts";
import { priorityOf } from "./priorities.ts";

/** Dead letters replayed in one transaction of the tenant; who wants all asks until none is left. */
export const replayedAtOnce = 500;

interface Row {
  readonly id: string;
  readonly job: string;
  readonly version: number;
  readonly tries: number;
  readonly crashes: number;
  readonly priority: number;
  readonly error: string;
  readonly errors: NonNullable<DeadLetter["errors"]>;
  readonly createdAt: Date;
  readonly lastTryAt: Date | null;
  readonly diedAt: Date;
}

const columns = `id, job, payload_version AS version, tries, crashes, priority, error, errors, created_at AS "createdAt", last_try_at AS "lastTryAt", died_at AS "diedAt"`;

/**
 * A tenant's dead letters, the latest job first.
 * @param after the cursor of the page before: the id that it ended with.
 */
export async function listDeadLetters(
  system: Queryable,
  tenant: TenantId,
  after: string | undefined,
  limit: number,
): Promise<Pick<DeadLetterList, "letters" | "next">> {
  const { rows } = await system.query<Row>(
    `SELECT ${columns} FROM cellplane.dead_letters WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3 + 1`,
    [tenant, after ?? null, limit],
  );
  const page = rows.slice(0, limit);
  return { letters: page.map(summaryOf), next: rows.length > limit ? (page.at(-1)?.id ?? null) : null };
}

/** One dead letter with its payload and what went wrong. */
export async function readDeadLetter(system: Queryable, tenant: TenantId, id: string): Promise<DeadLetter | undefined> {
  const { rows } = await system.query<Row & { readonly payload: unknown }>(
    `SELECT ${columns}, payload FROM cellplane.dead_letters WHERE tenant_id = $1 AND id = $2`,
    [tenant, id],
  );
  const row = rows[0];
  if (row === undefined) return undefined;
  // A kit before this one kept one line of text.
  const errors = row.errors.length > 0 ? row.errors : [{ name: nameOf(row), message: row.error }];
  return { ...summaryOf(row), payload: row.payload, errors };
}

/**
 * Puts dead letters back into the outbox, in the tenant's own transaction, so that the fence holds: with their ids, all tries before them, due now.
 * @param id the one to replay; undefined replays the oldest ones of all.
 * @returns how many.
 */
export async function replayDeadLetters(tx: Transaction, id: string | undefined): Promise<number> {
  const { rows } = await tx.query<{ replayed: number }>(
    `WITH chosen AS (
       SELECT id FROM cellplane.dead_letters WHERE $1::uuid IS NULL OR id = $1 ORDER BY id LIMIT ${replayedAtOnce}
     ), back AS (
       DELETE FROM cellplane.dead_letters d USING chosen WHERE d.id = chosen.id
       RETURNING d.id, d.job, d.payload_version, d.payload, d.priority, d.created_at
     ), waiting AS (
       INSERT INTO cellplane.outbox (id, job, payload_version, payload, priority, created_at)
       SELECT id, job, payload_version, payload, priority, created_at FROM back RETURNING 1
     )
     SELECT count(*) AS replayed, CASE WHEN count(*) > 0 THEN pg_notify('${outboxChannel}', '')::text END FROM waiting`,
    [id ?? null],
  );
  return rows[0]?.replayed ?? 0;
}

/** Removes a dead letter for good, in the tenant's own transaction. @returns whether it was there. */
export async function discardDeadLetter(tx: Transaction, id: string): Promise<boolean> {
  const { rowCount } = await tx.query(`DELETE FROM cellplane.dead_letters WHERE tenant_id = $1 AND id = $2`, [
    tx.tenant,
    id,
  ]);
  return rowCount === 1;
}

function summaryOf(row: Row): DeadLetterList["letters"][number] {
  const { id, job, version, tries, crashes } = row;
  return {
    id,
    job,
    version,
    tries,
    crashes,
    priority: priorityOf(row.priority),
    error: row.errors[0]?.name ?? nameOf(row),
    createdAt: row.createdAt.toISOString(),
    lastTryAt: row.lastTryAt?.toISOString() ?? null,
    diedAt: row.diedAt.toISOString(),
  };
}

/** An error's name says nothing about a tenant's data, its message may. */
function nameOf(row: Row): string {
  return /^[A-Za-z_$][\w$]*(?=:)/.exec(row.error)?.[0] ?? "Error";
}
