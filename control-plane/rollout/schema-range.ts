import {
  type Migration,
  type MigrationClass,
  migrationSeries,
  type ReleaseManifest,
} from "../../common/contracts/release.ts";

/** Number of the last migration that a cell's database has, of each series; 0 for none. */
export interface SchemaVersion {
  readonly kit: number;
  readonly app: number;
}

/**
 * Why a release cannot run on a cell's schema; null when it can. A release runs on any schema from its lowest number up
 * to the first `contract` or `irreversible` migration after its own last one.
 * @param known migrations of all stored releases of the application; a cell's migration that none of them tells the
 *   class of cannot be judged, so it is refused.
 */
export function schemaProblem(
  release: Pick<ReleaseManifest, "name" | "migrations">,
  schema: SchemaVersion,
  known: readonly Migration[],
): string | null {
  for (const series of migrationSeries) {
    const own = release.migrations.filter((migration) => migration.series === series);
    const lowest = Math.min(...own.map(({ number }) => number), Infinity);
    const highest = Math.max(...own.map(({ number }) => number), 0);
    const applied = schema[series];
    if (own.length > 0 && applied < lowest - 1) {
      return `${release.name} begins at ${series} migration ${lowest}, the cell is at ${applied}`;
    }
    for (let number = highest + 1; number <= applied; number += 1) {
      const migration = known.find((other) => other.series === series && other.number === number);
      if (migration === undefined) return `${series} migration ${number} of the cell is in no stored release`;
      if (migration.class !== "expand") {
        return `${series} migration ${number} (${migration.name}) of the cell is ${migration.class} and came after ${release.name}`;
      }
    }
  }
  return null;
}

/** A migration whose number another release used for something else; null when there is none. Numbers are never used again. */
export function reusedNumber(migrations: readonly Migration[], known: readonly Migration[]): Migration | null {
  const isReused = (migration: Migration): boolean =>
    known.some(
      ({ series, number, digest }) =>
        series === migration.series && number === migration.number && digest !== migration.digest,
    );
  return migrations.find(isReused) ?? null;
}

/** The heaviest class among the migrations that a cell with this schema has yet to run; null for none. */
export function migrationClassFor(migrations: readonly Migration[], schema: SchemaVersion): MigrationClass | null {
  const pending = migrations
    .filter(({ series, number }) => number > schema[series])
    .map((migration) => migration.class);
  return heaviest(pending);
}

/** The heaviest of several classes; null of none. */
export function heaviest(classes: readonly (MigrationClass | null)[]): MigrationClass | null {
  const order = ["irreversible", "contract", "expand"] as const;
  return order.find((one) => classes.includes(one)) ?? null;
}
