import type { Release, ReleaseManifest } from "../../common/contracts/release.ts";
import type { ReleaseName } from "../../common/ids.ts";
import type { Queryable } from "../../common/postgres/pool.ts";

type Row = Omit<Release, "createdAt"> & { readonly createdAt: Date };
const columns = 'name, digest, state, reason, manifest, created_at AS "createdAt"';
const releaseOf = (row: Row): Release => ({ ...row, createdAt: row.createdAt.toISOString() });

export async function listReleases(db: Queryable, limit: number): Promise<Release[]> {
  return (
    await db.query<Row>(`SELECT ${columns} FROM releases ORDER BY created_at DESC, name LIMIT $1`, [limit])
  ).rows.map(releaseOf);
}

export async function findRelease(db: Queryable, name: string): Promise<Release | null> {
  const [row] = (await db.query<Row>(`SELECT ${columns} FROM releases WHERE name = $1`, [name])).rows;
  return row === undefined ? null : releaseOf(row);
}

export async function insertRelease(tx: Queryable, manifest: ReleaseManifest, digest: string): Promise<void> {
  await tx.query("INSERT INTO releases (name, digest, manifest) VALUES ($1, $2, $3)", [
    manifest.name,
    digest,
    JSON.stringify(manifest),
  ]);
}

/** Keeps two releases of one application from being stored at once: each must see the other's migrations. */
export async function lockReleases(tx: Queryable): Promise<void> {
  await tx.query("SELECT pg_advisory_xact_lock(hashtextextended('releases', 0))");
}

/** Digests of all files that any release is made of. */
export async function referencedFiles(tx: Queryable): Promise<ReadonlySet<string>> {
  const text = `SELECT DISTINCT file->>'digest' AS digest FROM releases, jsonb_array_elements(manifest->'files') AS file`;
  return new Set((await tx.query<{ digest: string }>(text)).rows.map(({ digest }) => digest));
}

export async function setQuarantine(tx: Queryable, name: ReleaseName, reason: string): Promise<boolean> {
  const text = "UPDATE releases SET state = 'quarantined', reason = $2 WHERE name = $1 AND state <> 'quarantined'";
  return (await tx.query(text, [name, reason])).rowCount === 1;
}

/** @returns whether it was quarantined. */
export async function clearQuarantine(tx: Queryable, name: ReleaseName): Promise<boolean> {
  const text = "UPDATE releases SET state = 'available', reason = NULL WHERE name = $1 AND state = 'quarantined'";
  return (await tx.query(text, [name])).rowCount === 1;
}

/** A migration's number with the text it was first released with. `application` is '' for the kit's own series. */
export interface ReleasedMigration {
  readonly application: string;
  readonly series: string;
  readonly number: number;
  readonly digest: string;
  readonly firstRelease: ReleaseName;
}

export async function releasedMigrations(db: Queryable, application: string): Promise<ReleasedMigration[]> {
  const text = `SELECT application, series, number, digest, first_release AS "firstRelease" FROM release_migrations
    WHERE application IN ('', $1)`;
  return (await db.query<ReleasedMigration>(text, [application])).rows;
}

export async function insertMigrations(tx: Queryable, migrations: readonly ReleasedMigration[]): Promise<void> {
  const text = `INSERT INTO release_migrations (application, series, number, digest, first_release)
    SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::text[])`;
  const column = <Name extends keyof ReleasedMigration>(name: Name) => migrations.map((migration) => migration[name]);
  await tx.query(text, [
    column("application"),
    column("series"),
    column("number"),
    column("digest"),
    column("firstRelease"),
  ]);
}
