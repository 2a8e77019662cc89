import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { sha256 } from "../common/canonical.ts";
import { inTransaction, type Pool, type Queryable } from "../common/postgres/pool.ts";

const folder = fileURLToPath(new URL("./migrations/", import.meta.url));
const fileName = /^(\d{4})-[a-z0-9-]+\.sql$/;
/** Any number that nothing else of this database locks: one process migrates at a time. */
const migrationLock = 7_021_960_002;

/**
 * Brings the schema up to what this code knows: runs, in one transaction each, the numbered files that have not run yet.
 * @returns the names of those that ran now.
 * @throws when a file that ran has another text now: the database is then not what this code takes it for.
 */
export async function migrate(pool: Pool): Promise<string[]> {
  const ran: string[] = [];
  for (const name of readdirSync(folder)
    .filter((file) => fileName.test(file))
    .toSorted()) {
    if (await inTransaction(pool, (tx) => runOnce(tx, name))) ran.push(name);
  }
  return ran;
}

async function runOnce(tx: Queryable, name: string): Promise<boolean> {
  const sql = readFileSync(`${folder}${name}`, "utf8");
  const digest = sha256(sql);
  await tx.query("SELECT pg_advisory_xact_lock($1)", [migrationLock]);
  await tx.query("CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, digest text NOT NULL)");
  const known = await tx.query<{ digest: string }>("SELECT digest FROM schema_migrations WHERE name = $1", [name]);
  const before = known.rows[0]?.digest;
  if (before !== undefined && before !== digest)
    throw new Error(`migration ${name} ran with another text than it has now`);
  if (before !== undefined) return false;
  await tx.query(sql);
  await tx.query("INSERT INTO schema_migrations (name, digest) VALUES ($1, $2)", [name, digest]);
  return true;
}
