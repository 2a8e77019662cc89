import { setTimeout as sleep } from "node:timers/promises";
import type { MigrationClass } from "../../common/contracts/release.ts";
import type { Slot } from "../../common/contracts/lease.ts";
import { connect, sqlState, type Client } from "../../common/postgres/pool.ts";
import { cellError } from "./errors.ts";
import { planMigrations, type AppliedDigest, type LoadedMigration } from "./migrations.ts";

/** A migration that cannot get its locks in time gives up, so that it never makes tenants queue behind it, and tries again. */
const lockTimeoutMs = 2_000;
const tries = 10;
const lastPauseMs = 3_000;
/** Key of the lock under which one process migrates at a time. */
const migrationLock = 0x6d696772;
/** How long to wait for another process that migrates. */
const waitForOtherMs = 60_000;

/** Opens the connection that migrates, as the owner. */
export async function openMigration(ownerUrl: string): Promise<Client> {
  const client = await connect(ownerUrl, "migrate");
  await client.query(`SET lock_timeout = ${waitForOtherMs}`);
  await client.query("SELECT pg_advisory_lock($1)", [migrationLock]);
  await client.query(
    `CREATE SCHEMA IF NOT EXISTS cellplane;
     CREATE TABLE IF NOT EXISTS cellplane.schema_migrations (
       series text NOT NULL, number integer NOT NULL, name text NOT NULL, class text NOT NULL, digest text NOT NULL,
       applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (series, number))`,
  );
  return client;
}

/**
 * Applies what is missing, each migration in a transaction of its own, after which no tenant's table may be unprotected.
 * @returns the migrations that were applied.
 * @throws migration-refused, and the database's own error for a migration that fails.
 */
export async function applyMigrations(
  client: Client,
  wanted: readonly LoadedMigration[],
  allowed: ReadonlySet<MigrationClass>,
): Promise<LoadedMigration[]> {
  const applied = await client.query<AppliedDigest>("SELECT series, number, digest FROM cellplane.schema_migrations");
  const plan = planMigrations(wanted, applied.rows, allowed);
  for (const migration of plan) await applyWithRetries(client, migration);
  return plan;
}

async function applyWithRetries(client: Client, migration: LoadedMigration): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await applyOne(client, migration);
      return;
    } catch (error) {
      await client.query("ROLLBACK");
      // lock_not_available, deadlock_detected
      const state = sqlState(error);
      if ((state !== "55P03" && state !== "40P01") || attempt === tries) throw error;
    }
    const pause = Math.min(lastPauseMs, 200 * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2);
    await sleep(pause);
  }
}

async function applyOne(client: Client, migration: LoadedMigration): Promise<void> {
  await client.query(`BEGIN; SET LOCAL lock_timeout = ${lockTimeoutMs}; SET LOCAL search_path = public, pg_catalog`);
  await client.query(migration.sql);
  const unprotected = await client.query<{ object: string; reason: string }>(
    "SELECT object, reason FROM cellplane.unprotected()",
  );
  const first = unprotected.rows[0];
  if (first !== undefined)
    throw cellError("migration-refused", `${migration.series}/${migration.number}: ${first.object}: ${first.reason}.`);
  await client.query(
    "INSERT INTO cellplane.schema_migrations (series, number, name, class, digest) VALUES ($1, $2, $3, $4, $5)",
    [migration.series, migration.number, migration.name, migration.class, migration.digest],
  );
  await client.query("COMMIT");
}

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
