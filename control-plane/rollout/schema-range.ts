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
 * @param known migrations of all stored releases of the application; a cell's last migration that none of them tells the
 *   class of cannot be judged, so it is refused. Numbers below it that nobody knows were left out: the release that brought
 *   the last one lists all before it.
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
    if (applied <= highest) continue;
    const later = known.filter(({ series: of, number }) => of === series && number > highest && number <= applied);
    if (!later.some(({ number }) => number === applied))
      return `${series} migration ${applied} of the cell is in no stored release`;
    const barrier = later.toSorted((a, b) => a.number - b.number).find((migration) => migration.class !== "expand");
    if (barrier !== undefined) {
      return `${series} migration ${barrier.number} (${barrier.name}) of the cell is ${barrier.class} and came after ${release.name}`;
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
