import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { sha256 } from "../../common/canonical.ts";
import {
  migrationSeries,
  parseMigrationFile,
  type Migration,
  type MigrationClass,
  type MigrationSeries,
} from "../../common/contracts/release.ts";
import { cellError } from "./errors.ts";

/** The newest migration of the kit's own series that this code needs. */
export const kitNeeds = 8;

/** A migration with its statements. */
export type LoadedMigration = Migration & { readonly sql: string };

/**
 * Reads a release's migrations, kit before application, each series in order.
 * @param directory holds `kit/` and `app/`.
 * @throws migration-refused for a name that does not fit, a number used twice, or expand and contract in one release of an application beginning.
 */
export async function loadMigrations(directory: string): Promise<LoadedMigration[]> {
  const loaded: LoadedMigration[] = [];
  for (const series of migrationSeries) loaded.push(...(await loadSeries(directory, series)));
  return loaded;
}

async function loadSeries(directory: string, series: MigrationSeries): Promise<LoadedMigration[]> {
  const migrations: LoadedMigration[] = [];
  for (const file of (await readdir(join(directory, series))).toSorted()) {
    const parsed = parseMigrationFile(file);
    if (parsed === null)
      throw cellError(
        "migration-refused",
        `${series}/${file} is not named NNNN-name.<expand|contract|irreversible>.sql.`,
      );
    if (migrations.at(-1)?.number === parsed.number)
      throw cellError("migration-refused", `The number ${parsed.number} of the series ${series} is used twice.`);
    const sql = await readFile(join(directory, series, file), "utf8");
    migrations.push({ series, ...parsed, digest: sha256(sql), sql });
  }
  return migrations;
}

/** A migration as the database remembers it. */
export interface AppliedDigest {
  readonly series: MigrationSeries;
  readonly number: number;
  readonly digest: string;
}

/**
 * Decides which migrations to apply. Pure.
 * @param allowed classes that may be applied beside `expand`.
 * @throws migration-refused when a released number has changed, a gap would be filled afterwards, or a class was not asked for.
 */
export function planMigrations(
  wanted: readonly LoadedMigration[],
  applied: readonly AppliedDigest[],
  allowed: ReadonlySet<MigrationClass>,
): LoadedMigration[] {
  const digests = new Map(applied.map((migration) => [`${migration.series}/${migration.number}`, migration.digest]));
  const plan: LoadedMigration[] = [];
  for (const migration of wanted) {
    const name = `${migration.series}/${migration.number}`;
    const digest = digests.get(name);
    if (digest === migration.digest) continue;
    if (digest !== undefined)
      throw cellError(
        "migration-refused",
        `${name} was applied with other content; a number once released is never used again.`,
      );
    if (applied.some((other) => other.series === migration.series && other.number > migration.number)) {
      throw cellError("migration-refused", `${name} comes before what is applied already.`);
    }
    if (migration.class !== "expand" && !allowed.has(migration.class))
      throw cellError("migration-refused", `${name} is ${migration.class}, which was not asked for.`);
    plan.push(migration);
  }
  return plan;
}
