import type { CellId } from "../../../../common/ids.ts";
import { driverError } from "../../errors.ts";
import { takeBase } from "./base.ts";
import { withBeside, type RestoreMeans } from "./beside.ts";
import type { CellDatabase } from "./cell-database.ts";
import { chooseBase, type LifeBackups } from "./choose.ts";
import { backupPaths } from "./layout.ts";
import { alone } from "./lock.ts";
import { archiveSize, planPruning, prune } from "./prune.ts";
import { listBases, listLives, writeVerification, type BaseManifest, type StoredBase } from "./records.ts";
import { inspect, verificationOf } from "./verify.ts";

/**
 * Backs a cell up: a base, then a restore of it for a test, then what is not needed any more goes. A base that does not restore is kept for whoever looks
 * into it, counts for nothing, and is told.
 * @throws backup-busy, backup-failed, restore-failed
 */
export async function createBackup(database: CellDatabase, means: RestoreMeans): Promise<StoredBase> {
  return await alone(database, async () => {
    const manifest = await takeBase(database, means.clock);
    const stored = { manifest, verification: await verify(database, means, manifest) };
    await pruneBackups(database, means);
    return stored;
  });
}

async function verify(
  database: CellDatabase,
  means: RestoreMeans,
  base: BaseManifest,
): Promise<NonNullable<StoredBase["verification"]>> {
  const verification = await withBeside(database, means, base, { until: null }, async (beside) =>
    verificationOf(beside, await inspect(beside), means.clock),
  );
  await writeVerification(backupPaths(database.home, database.cell).base(base.life, base.id), verification);
  return verification;
}

/** Removes bases and WAL that nothing needs any more. */
async function pruneBackups({ home, cell }: CellDatabase, { clock }: RestoreMeans): Promise<void> {
  const lives = await readBackups(home, cell);
  const sizes = new Map<string, number>();
  for (const life of lives) sizes.set(life.life, await archiveSize(home, cell, life));
  const now = new Date(clock.now());
  await prune(home, cell, planPruning(lives, sizes, now), now);
}

/** A cell's backups, by the life of the database that they are of, oldest first. */
export async function readBackups(home: string, cell: CellId): Promise<LifeBackups[]> {
  const lives: LifeBackups[] = [];
  for (const life of await listLives(home, cell)) lives.push({ life, bases: await listBases(home, cell, life) });
  return lives;
}

/** The base from which a moment is restored. @throws no-backup */
export async function findBase(database: CellDatabase, until: Date | null): Promise<BaseManifest> {
  const base = chooseBase(await readBackups(database.home, database.cell), until);
  if (base !== null) return base;
  const when = until === null ? "at all" : `for ${until.toISOString()}`;
  throw driverError("no-backup", `${database.cell} has no base ${when}.`);
}
