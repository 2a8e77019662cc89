import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { sha256 } from "../../common/canonical.ts";
import { inTransaction, type Pool, type Queryable } from "../../common/postgres/pool.ts";
import { fail } from "../errors.ts";

/** Any number that nothing else of the registry locks: one control plane migrates at a time. */
const migrationLock = 7_021_960_001;
const folder = fileURLToPath(new URL("../migrations/", import.meta.url));
const fileName = /^(\d{4})-[a-z0-9-]+\.sql$/;

interface MigrationFile {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
  readonly digest: string;
}

/**
 * Brings the registry's schema up to what this code knows: runs, in one transaction each, the numbered files that it has not had.
 * @returns the names of those that ran now.
 * @throws registry-schema when a migration that ran before has another text now, or the schema is newer than this code.
 */
export async function migrateRegistry(pool: Pool): Promise<string[]> {
  const files = migrationFiles();
  const ran: string[] = [];
  for (const file of files) {
    if (await inTransaction(pool, (tx) => runOnce(tx, file))) ran.push(file.name);
  }
  const newest = await pool.query<{ number: number }>(
    "SELECT coalesce(max(number), 0) AS number FROM schema_migrations",
  );
  const known = files.at(-1)?.number ?? 0;
  if ((newest.rows[0]?.number ?? 0) > known) {
    throw fail(
      "registry-schema",
      `The registry has migration ${newest.rows[0]?.number}, this control plane knows ${known}.`,
    );
  }
  return ran;
}

function migrationFiles(): MigrationFile[] {
  return readdirSync(folder)
    .filter((name) => fileName.test(name))
    .sort()
    .map((name) => {
      const sql = readFileSync(`${folder}${name}`, "utf8");
      return { number: Number(name.slice(0, 4)), name, sql, digest: sha256(sql) };
    });
}

async function runOnce(tx: Queryable, file: MigrationFile): Promise<boolean> {
  await tx.query("SET LOCAL statement_timeout = '60s'");
  await tx.query("SELECT pg_advisory_xact_lock($1)", [migrationLock]);
  await tx.query(`CREATE TABLE IF NOT EXISTS schema_migrations (
    number integer PRIMARY KEY, name text NOT NULL, digest text NOT NULL, ran_at timestamptz NOT NULL DEFAULT now())`);
  const known = await tx.query<{ digest: string }>("SELECT digest FROM schema_migrations WHERE number = $1", [
    file.number,
  ]);
  const before = known.rows[0];
  if (before !== undefined && before.digest !== file.digest) {
    throw fail("registry-schema", `Migration ${file.name} ran with another text than it has now.`);
  }
  if (before !== undefined) return false;
  await tx.query(file.sql);
  await tx.query("INSERT INTO schema_migrations (number, name, digest) VALUES ($1, $2, $3)", [
    file.number,
    file.name,
    file.digest,
  ]);
  return true;
}
