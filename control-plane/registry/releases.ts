import { digestOf } from "../../common/canonical.ts";
import type { Clock } from "../../common/clock.ts";
import { migrationClasses, type Release, type ReleaseManifest } from "../../common/contracts/release.ts";
import type { ReleaseName } from "../../common/ids.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { fail } from "../errors.ts";
import { change, type Cause } from "./change.ts";
import {
  clearQuarantine,
  findRelease,
  insertMigrations,
  insertRelease,
  lockReleases,
  releasedMigrations,
  setQuarantine,
  type ReleasedMigration,
} from "./releases.store.ts";

type Wiring = { readonly pool: Pool; readonly clock: Clock };

/**
 * Stores a release. The same manifest again changes nothing; the same name with another digest is refused, for a release never changes.
 * @returns the release, and whether it is new.
 * @throws release-exists, release-invalid, migration-reused
 */
export async function storeRelease(
  wiring: Wiring,
  cause: Cause,
  manifest: ReleaseManifest,
): Promise<{ readonly release: Release; readonly isNew: boolean }> {
  const digest = digestOf(manifest);
  checkManifest(manifest);
  const { result } = await change(wiring, cause, async (step) => {
    await lockReleases(step.tx);
    const known = await findRelease(step.tx, manifest.name);
    if (known !== null && known.digest !== digest)
      throw fail("release-exists", `${manifest.name} is stored as ${known.digest}.`);
    if (known !== null) return { release: known, isNew: false };
    const released = await releasedMigrations(step.tx, manifest.application);
    const fresh = freshMigrations(manifest, released);
    await insertRelease(step.tx, manifest, digest);
    await insertMigrations(step.tx, fresh);
    step.audit("release.create", `${manifest.name} (${digest})`);
    step.announce("release", manifest.name);
    const release = await findRelease(step.tx, manifest.name);
    if (release === null) throw new Error("the release was lost on the way");
    return { release, isNew: true };
  });
  return result;
}

/** Takes a release out of use: it failed a rollout. */
export async function quarantineRelease(
  wiring: Wiring,
  cause: Cause,
  name: ReleaseName,
  reason: string,
): Promise<void> {
  await change(wiring, cause, async (step) => {
    if (!(await setQuarantine(step.tx, name, reason))) return;
    step.audit("release.quarantine", name, { reason });
    step.announce("release", name);
  });
}

/** Puts a release back into use: a person has overridden the verdict that took it out. */
export async function liftQuarantine(wiring: Wiring, cause: Cause, name: ReleaseName, reason: string): Promise<void> {
  await change(wiring, cause, async (step) => {
    if (!(await clearQuarantine(step.tx, name))) return;
    step.audit("release.quarantine-lifted", name, { reason });
    step.announce("release", name);
  });
}

function checkManifest(manifest: ReleaseManifest): void {
  if (manifest.name !== `${manifest.application}@${manifest.version}`) {
    throw fail("release-invalid", `${manifest.name} is not ${manifest.application}@${manifest.version}.`);
  }
  const paths = new Set(manifest.files.map(({ path }) => path));
  if (paths.size !== manifest.files.length) throw fail("release-invalid", "Two files have the same path.");
  const digests = new Set(manifest.files.map(({ digest }) => digest));
  for (const { series, number, digest } of manifest.migrations) {
    if (!digests.has(digest)) throw fail("release-invalid", `The file of ${series} migration ${number} is missing.`);
  }
  const numbers = new Set(manifest.migrations.map(({ series, number }) => `${series}/${number}`));
  if (numbers.size !== manifest.migrations.length)
    throw fail("release-invalid", "Two migrations have the same number.");
}

/** The migrations that no release had before. */
function freshMigrations(manifest: ReleaseManifest, released: readonly ReleasedMigration[]): ReleasedMigration[] {
  const applicationOf = (series: string): string => (series === "kit" ? "" : manifest.application);
  const fresh = manifest.migrations.filter(({ series, number, digest }) => {
    const before = released.find(
      (other) => other.application === applicationOf(series) && other.series === series && other.number === number,
    );
    if (before !== undefined && before.digest !== digest) {
      throw fail(
        "migration-reused",
        `${series} migration ${number} was released with ${before.firstRelease} and has another text now.`,
      );
    }
    return before === undefined;
  });
  const classes = migrationClasses.filter((name) => fresh.some((migration) => migration.class === name));
  // The first release makes the schema; only later ones change what a running release relies on.
  if (released.length > 0 && classes.includes("expand") && classes.length > 1) {
    throw fail(
      "release-invalid",
      `One release brings migrations of the classes ${classes.join(" and ")}; release them apart.`,
    );
  }
  return fresh.map(({ series, number, digest }) => ({
    application: applicationOf(series),
    series,
    number,
    digest,
    firstRelease: manifest.name,
  }));
}
