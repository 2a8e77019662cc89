import Type, { type Static } from "typebox";
import { ReleaseNameSchema, Sha256Schema, TimestampSchema, oneOf } from "./ids.ts";

export const migrationClasses = ["expand", "contract", "irreversible"] as const;
export type MigrationClass = (typeof migrationClasses)[number];
export const migrationSeries = ["kit", "app"] as const;
export type MigrationSeries = (typeof migrationSeries)[number];

/** `0001-cell.expand.sql` → its parts; null for any other name. */
export function parseMigrationFile(
  name: string,
): { readonly number: number; readonly name: string; readonly class: MigrationClass } | null {
  const match = /^(\d{4})-([a-z0-9-]+)\.(expand|contract|irreversible)\.sql$/.exec(name);
  if (match === null || Number(match[1]) < 1) return null;
  return { number: Number(match[1]), name: match[2] as string, class: match[3] as MigrationClass };
}

/** First line of a migration that builds or drops an index concurrently, which no transaction can hold; it has that one statement. */
const concurrently = /^-- cellplane:concurrently[ \t]*(?:\r?\n|$)/;

/** Whether a migration runs outside a transaction. */
export function isConcurrent(migration: { readonly sql: string }): boolean {
  return concurrently.test(migration.sql);
}

/**
 * One numbered SQL migration of a release. File name: `NNNN-name.<class>.sql`, in `migrations/<series>/`.
 * A number once released is never used again; the digest proves it.
 */
export const Migration = Type.Object(
  {
    series: oneOf(migrationSeries),
    number: Type.Integer({ minimum: 1 }),
    name: Type.String(),
    class: oneOf(migrationClasses),
    digest: Sha256Schema,
  },
  { $id: "Migration", additionalProperties: false },
);
export type Migration = Static<typeof Migration>;

export const ReleaseFile = Type.Object(
  {
    path: Type.String({ pattern: "^(?!/)(?!.*\\.\\.)[A-Za-z0-9_./@-]+$" }),
    digest: Sha256Schema,
    bytes: Type.Integer({ minimum: 0 }),
    executable: Type.Boolean(),
  },
  { $id: "ReleaseFile", additionalProperties: false },
);
export type ReleaseFile = Static<typeof ReleaseFile>;

/** A step of what a cell's synthetic tenant does to find out whether a release serves. */
export const JourneyStep = Type.Object(
  {
    /** What the step does, for people: it stands in the reason of a failed rollout. */
    name: Type.String({ minLength: 1, maxLength: 80 }),
    method: oneOf(["GET", "POST", "PUT", "PATCH", "DELETE"] as const),
    path: Type.String({ pattern: "^/", maxLength: 500 }),
    /** Sent as JSON. */
    body: Type.Optional(Type.Unknown()),
    /** The one status that is success. */
    expect: Type.Integer({ minimum: 200, maximum: 499 }),
  },
  { $id: "JourneyStep", additionalProperties: false },
);
export type JourneyStep = Static<typeof JourneyStep>;

/**
 * A release is named by the digest of this document's canonical JSON. Files: `api.mjs`, `worker.mjs`, `migrate.mjs`, `migrations/**`, `node` (the runtime,
 * stored once for all releases that use it).
 */
export const ReleaseManifest = Type.Object(
  {
    name: ReleaseNameSchema,
    application: Type.String(),
    version: Type.String(),
    /** Version of the runtime, e.g. `v24.21.0`. */
    runtime: Type.String(),
    files: Type.Array(ReleaseFile, { minItems: 1, maxItems: 2000 }),
    migrations: Type.Array(Migration),
    /** Configuration that belongs to the release: names and values for the processes' environment; never secrets. */
    configuration: Type.Record(Type.String(), Type.String()),
    /** Names of the aggregates that the application offers. */
    aggregates: Type.Array(Type.String()),
    /** The synthetic tenant's steps; without them only the application's front door is tried. */
    journey: Type.Optional(Type.Array(JourneyStep, { minItems: 1, maxItems: 20 })),
  },
  { $id: "ReleaseManifest", additionalProperties: false },
);
export type ReleaseManifest = Static<typeof ReleaseManifest>;

export const releaseStates = ["available", "quarantined"] as const;

/** A release as the control plane lists it. */
export const Release = Type.Object(
  {
    name: ReleaseNameSchema,
    digest: Sha256Schema,
    state: oneOf(releaseStates),
    reason: Type.Union([Type.String(), Type.Null()]),
    createdAt: TimestampSchema,
    manifest: ReleaseManifest,
  },
  { $id: "Release", additionalProperties: false },
);
export type Release = Static<typeof Release>;
