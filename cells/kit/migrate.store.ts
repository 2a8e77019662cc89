import { setTimeout as sleep } from "node:timers/promises";
import { isConcurrent, type MigrationClass } from "../../common/contracts/release.ts";
import type { Slot } from "../../common/contracts/lease.ts";
import { connect, sqlState, type Client } from "../../common/postgres/pool.ts";
import { cellError } from "./errors.ts";
import { lintSchema } from "./lint/schema.store.ts";
import { findingKey, findingText } from "./lint/schema-rules.ts";
import { planMigrations, type AppliedDigest, type LoadedMigration } from "./migrations.ts";

/** How hard a migration tries for its locks. */
export interface MigrationPace {
  /** While it waits for a lock, tenants' statements queue behind it; so it gives up soon, and they see a pause but no error. */
  readonly lockTimeoutMs: number;
  readonly tries: number;
  /** The pause between tries doubles from 200 ms up to this. */
  readonly lastPauseMs: number;
}

export const migrationPace: MigrationPace = { lockTimeoutMs: 2_000, tries: 10, lastPauseMs: 3_000 };
/**
 * A concurrent build waits for the transactions that began before it, and nobody waits for it. A tenant's transaction ends within 5 s; what lasts longer
 * (a copy, a person) is waited for again at the next try.
 */
const concurrentLockTimeoutMs = 30_000;
/** Key of the lock under which one process migrates at a time. */
const migrationLock = 0x6d696772;
/** How long to wait for another process that migrates, and how often to look. */
const waitForOtherMs = 60_000;
const lookMs = 200;

/**
 * Opens the connection that migrates, as the owner.
 * @throws migration-blocked where another process goes on migrating.
 */
export async function openMigration(ownerUrl: string): Promise<Client> {
  const client = await connect(ownerUrl, "migrate");
  try {
    await lockMigration(client);
    await client.query(
      `CREATE SCHEMA IF NOT EXISTS cellplane;
       CREATE TABLE IF NOT EXISTS cellplane.schema_migrations (
         series text NOT NULL, number integer NOT NULL, name text NOT NULL, class text NOT NULL, digest text NOT NULL,
         applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (series, number))`,
    );
    return client;
  } catch (error) {
    await client.end();
    throw error;
  }
}

/** Asks again and again instead of waiting in the database: a waiting statement holds a snapshot, and a concurrent build would wait for it for ever. */
async function lockMigration(client: Client): Promise<void> {
  const until = performance.now() + waitForOtherMs;
  for (;;) {
    const result = await client.query<{ held: boolean }>("SELECT pg_try_advisory_lock($1) AS held", [migrationLock]);
    if (result.rows[0]?.held === true) return;
    if (performance.now() > until)
      throw cellError(
        "migration-blocked",
        `Another process has been migrating this cell for ${waitForOtherMs / 1000} s.`,
      );
    await sleep(lookMs);
  }
}

/**
 * Applies what is missing, each migration in a transaction of its own, after which the linter may find nothing in the live schema that it did not
 * find before.
 * @returns the migrations that were applied.
 * @throws migration-refused, migration-blocked, and the database's own error for a migration that fails.
 */
export async function applyMigrations(
  client: Client,
  wanted: readonly LoadedMigration[],
  allowed: ReadonlySet<MigrationClass>,
  pace: MigrationPace = migrationPace,
): Promise<LoadedMigration[]> {
  const applied = await client.query<AppliedDigest>("SELECT series, number, digest FROM cellplane.schema_migrations");
  const plan = planMigrations(wanted, applied.rows, allowed);
  if (plan.length === 0) return plan;
  // What somebody made by hand keeps the cell from being ready; it must not keep the migration that mends it from running.
  const known = new Set((await lintSchema(client)).map(findingKey));
  for (const migration of plan) await applyWithRetries(client, migration, known, pace);
  return plan;
}

// lock_not_available, deadlock_detected
const lockStates: ReadonlySet<string | undefined> = new Set(["55P03", "40P01"]);

async function applyWithRetries(
  client: Client,
  migration: LoadedMigration,
  known: ReadonlySet<string>,
  pace: MigrationPace,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await (isConcurrent(migration)
        ? applyConcurrently(client, migration, known)
        : applyOne(client, migration, known, pace));
      return;
    } catch (error) {
      if (!isConcurrent(migration)) await client.query("ROLLBACK");
      if (!lockStates.has(sqlState(error))) throw error;
      if (attempt === pace.tries)
        throw cellError(
          "migration-blocked",
          `${nameOf(migration)} did not get its locks in ${pace.tries} tries: ${(error as Error).message}.`,
          { cause: error },
        );
    }
    await sleep(Math.min(pace.lastPauseMs, 200 * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2));
  }
}

async function applyOne(
  client: Client,
  migration: LoadedMigration,
  known: ReadonlySet<string>,
  pace: MigrationPace,
): Promise<void> {
  await client.query(
    `BEGIN; SET LOCAL lock_timeout = ${pace.lockTimeoutMs}; SET LOCAL search_path = public, pg_catalog`,
  );
  await client.query(migration.sql);
  await refuseNewFindings(client, migration, known);
  await remember(client, migration);
  await client.query("COMMIT");
}

/**
 * One `CREATE INDEX CONCURRENTLY IF NOT EXISTS` or `DROP INDEX CONCURRENTLY IF EXISTS`, which no transaction can hold. What an interrupted build left
 * behind is an invalid index, worth nothing, which IF NOT EXISTS would take for the wanted one; it is dropped first. One process migrates at a time, so
 * that none is another's at work. An index that the linter refuses is dropped again.
 */
async function applyConcurrently(
  client: Client,
  migration: LoadedMigration,
  known: ReadonlySet<string>,
): Promise<void> {
  await client.query(`SET lock_timeout = ${concurrentLockTimeoutMs}`);
  await client.query("SET search_path = public, pg_catalog");
  try {
    const before = await indexes(client);
    await dropIndexes(
      client,
      before.filter(({ valid }) => !valid),
    );
    await client.query(migration.sql);
    try {
      await refuseNewFindings(client, migration, known);
    } catch (error) {
      const there = new Set(before.map(({ name }) => name));
      await dropIndexes(
        client,
        (await indexes(client)).filter(({ name }) => !there.has(name)),
      );
      throw error;
    }
    await remember(client, migration);
  } finally {
    await client.query("RESET lock_timeout; RESET search_path");
  }
}

interface Index {
  readonly name: string;
  readonly valid: boolean;
}

async function indexes(client: Client): Promise<Index[]> {
  const result = await client.query<Index>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS name, i.indisvalid AS valid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'i' AND n.nspname IN ('public', 'cellplane')`,
  );
  return result.rows;
}

async function dropIndexes(client: Client, dropped: readonly Index[]): Promise<void> {
  for (const { name } of dropped) await client.query(`DROP INDEX CONCURRENTLY IF EXISTS ${name}`);
}

async function refuseNewFindings(
  client: Client,
  migration: LoadedMigration,
  known: ReadonlySet<string>,
): Promise<void> {
  const fresh = (await lintSchema(client)).filter((finding) => !known.has(findingKey(finding)));
  if (fresh.length > 0)
    throw cellError("migration-refused", `${nameOf(migration)}: ${fresh.map(findingText).join(" ")}`);
}

async function remember(client: Client, migration: LoadedMigration): Promise<void> {
  await client.query(
    "INSERT INTO cellplane.schema_migrations (series, number, name, class, digest) VALUES ($1, $2, $3, $4, $5)",
    [migration.series, migration.number, migration.name, migration.class, migration.digest],
  );
}

const nameOf = ({ series, number }: LoadedMigration): string => `${series}/${number}`;

/** Whether the cell is there, in which life, and how many leases it holds or held. Null before the first migration. */
export async function readLife(
  client: Client,
): Promise<{ readonly incarnation: string | null; readonly leases: number } | null> {
  const known = await client.query<{ there: boolean }>("SELECT to_regclass('cellplane.leases') IS NOT NULL AS there");
  if (known.rows[0]?.there !== true) return null;
  const result = await client.query<{ incarnation: string | null; leases: number }>(
    "SELECT (SELECT incarnation FROM cellplane.cell) AS incarnation, (SELECT count(*) FROM cellplane.leases) AS leases",
  );
  return result.rows[0] ?? null;
}

/** Writes the cell's row for a new life. Only for a cell that never held a lease. */
export async function beginLife(client: Client, cell: string, incarnation: string, slot: Slot): Promise<void> {
  await client.query(
    `INSERT INTO cellplane.cell (cell, incarnation, live_slot) VALUES ($1, $2, $3)
     ON CONFLICT (the_one) DO UPDATE SET incarnation = excluded.incarnation, shipment = 0`,
    [cell, incarnation, slot],
  );
}

/** The newest number applied of each series. */
export async function schemaNumbers(client: Client): Promise<{ kit: number; app: number }> {
  const result = await client.query<{ kit: number; app: number }>(
    `SELECT coalesce(max(number) FILTER (WHERE series = 'kit'), 0) AS kit, coalesce(max(number) FILTER (WHERE series = 'app'), 0) AS app
     FROM cellplane.schema_migrations`,
  );
  return result.rows[0] ?? { kit: 0, app: 0 };
}
