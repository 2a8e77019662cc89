import type { Slot } from "../../common/contracts/lease.ts";
import type { MigrationClass } from "../../common/contracts/release.ts";
import type { Client, Queryable } from "../../common/postgres/pool.ts";

/** A switch of slots is told at once; processes also poll, so that a lost notice only delays them. */
export const slotChannel = "cellplane_slot";

export interface AppliedMigration {
  readonly series: "kit" | "app";
  readonly number: number;
  readonly class: MigrationClass;
}

/** What the cell's row says, and how much depends on it. */
export interface CellRecord {
  readonly cell: string;
  readonly incarnation: string;
  readonly liveSlot: Slot;
  readonly claimToken: number;
  /** Leases of any state, tombstones too. */
  readonly leases: number;
  /** Tenants owned here, active or frozen. */
  readonly tenants: number;
  /** Leases of another life, tombstones not counted: the registry has not confirmed them yet. */
  readonly unconfirmed: number;
  /** Frozen tenants past their deadline. */
  readonly overdue: number;
  readonly migrations: readonly AppliedMigration[];
}

/** Reads all of it in one statement. @returns null before provisioning. */
export async function readCell(system: Queryable): Promise<CellRecord | null> {
  const result = await system.query<CellRecord>(
    `SELECT cell, incarnation, live_slot AS "liveSlot", claim_token AS "claimToken",
       (SELECT count(*) FROM cellplane.leases) AS leases,
       (SELECT count(*) FROM cellplane.leases WHERE state IN ('active', 'frozen') AND NOT synthetic) AS tenants,
       (SELECT count(*) FROM cellplane.leases l WHERE l.state <> 'released' AND l.incarnation <> c.incarnation) AS unconfirmed,
       (SELECT count(*) FROM cellplane.leases WHERE state = 'frozen' AND freeze_deadline < clock_timestamp()) AS overdue,
       (SELECT coalesce(json_agg(json_build_object('series', series, 'number', number, 'class', class) ORDER BY series, number), '[]')
          FROM cellplane.schema_migrations) AS migrations
     FROM cellplane.cell c`,
  );
  return result.rows[0] ?? null;
}

/**
 * Makes `to` the live slot if `from` is, or leaves it so, and remembers the claim's token.
 * @returns false when another slot was live, or a higher token has been seen.
 */
export async function switchSlot(system: Queryable, from: Slot, to: Slot, token: number | undefined): Promise<boolean> {
  const result = await system.query(
    `WITH switched AS (
       UPDATE cellplane.cell SET live_slot = $2, claim_token = greatest(claim_token, $3::bigint),
         switched_at = CASE live_slot WHEN $2 THEN switched_at ELSE clock_timestamp() END
       WHERE live_slot IN ($1, $2) AND ($3::bigint IS NULL OR claim_token <= $3::bigint)
       RETURNING live_slot
     )
     SELECT pg_notify('${slotChannel}', live_slot) FROM switched`,
    [from, to, token ?? null],
  );
  return result.rowCount === 1;
}

/** Begins to listen on a connection of one's own. */
export async function listenTo(client: Client, channels: readonly string[]): Promise<void> {
  for (const channel of channels) {
    if (!/^[a-z_]+$/.test(channel)) throw new TypeError(`not a channel: ${channel}`);
    await client.query(`LISTEN ${channel}`);
  }
}

/** Lock of this database under which one worker schedules, cleans up and ships. */
const singletonLock = 0x63656c6c;

/** @returns whether this session now holds, or already held, the lock of the cell's single worker. */
export async function tryHoldSingleton(client: Client): Promise<boolean> {
  const result = await client.query<{ held: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND objid = $1::int::oid AND granted)
       OR pg_try_advisory_lock($1::int::bigint) AS held`,
    [singletonLock],
  );
  return result.rows[0]?.held ?? false;
}

export async function dropSingleton(client: Client): Promise<void> {
  await client.query(`SELECT pg_advisory_unlock_all()`);
}
