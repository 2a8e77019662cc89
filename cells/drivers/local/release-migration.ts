import { join } from "node:path";
import type { MigrationClass } from "../../../common/contracts/release.ts";
import type { CellId } from "../../../common/ids.ts";
import type { ReleaseRef } from "../driver.ts";
import { driverError } from "../errors.ts";
import { cellPaths, processNames } from "./cell-layout.ts";
import { CellNotes } from "./cell-notes.ts";
import { readCellSecrets } from "./cell-secrets.ts";
import { runOnce } from "./one-shot.ts";
import { installedManifest } from "./release-files.ts";
import { migrationEnvironment, type CellFacts } from "./release-processes.ts";
import type { Supervisor } from "./supervisor/client.ts";

/** A database that was killed replays its log first. */
const serverStartMs = 60_000;
const migrationMs = 300_000;

/** All that a cell's processes are told. @throws unknown-cell */
export async function readCellFacts(home: string, cell: CellId): Promise<CellFacts> {
  const paths = cellPaths(home, cell);
  const record = await new CellNotes(paths.notes).record();
  if (record === null) throw driverError("unknown-cell", `There is no cell ${cell} here.`);
  const secrets = await readCellSecrets(paths.secrets);
  if (secrets === null) throw driverError("unknown-cell", `The credentials of ${cell} are gone.`);
  const { id, region, ports, fleet, logLevel } = record;
  return { home, plan: { id, region }, ports, secrets, fleet, logLevel };
}

/**
 * Runs the migrations of an installed release in the cell's database.
 * @throws unknown-cell, release-missing, migration-failed; process-unhealthy when the database is down
 */
export async function migrateCell(
  home: string,
  cell: CellId,
  release: ReleaseRef,
  supervisor: Supervisor,
  also: readonly MigrationClass[] = [],
): Promise<void> {
  const facts = await readCellFacts(home, cell);
  const paths = cellPaths(home, cell);
  const folder = paths.release(release.digest);
  await installedManifest(release, folder);
  // A database on its way back is no reason to call the migration failed.
  await supervisor.waitHealthy(processNames(cell).postgres, serverStartMs);
  const end = await runOnce({
    command: join(folder, "node"),
    args: [join(folder, "migrate.mjs"), ...(also.length === 0 ? [] : ["--allow", also.join(",")])],
    cwd: folder,
    env: migrationEnvironment(facts, release, await new CellNotes(paths.notes).liveSlot()),
    timeoutMs: migrationMs,
  });
  if (end.code !== 0)
    throw driverError("migration-failed", `${release.name} in ${cell} (${end.code}): ${end.complaint}`);
}
