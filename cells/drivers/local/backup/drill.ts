import { connect } from "../../../../common/postgres/pool.ts";
import type { TenantLoss } from "../../../../common/contracts/restores.ts";
import { archivedSegments } from "./archive.ts";
import { tenantMarks, type TenantMark } from "./backup.store.ts";
import { findBase } from "./backups.ts";
import { withBeside, type RestoreMeans } from "./beside.ts";
import type { CellDatabase } from "./cell-database.ts";
import { alone } from "./lock.ts";
import { lossOf, recoveryPoint } from "./loss.ts";
import { inspect, type Contents } from "./verify.ts";

/** What a drill found. */
export interface DrillReport {
  readonly cell: string;
  readonly base: string;
  /** The newest commit that came back. */
  readonly through: string;
  /** Seconds from the beginning of the restore until the restored database answered. */
  readonly rtoSeconds: number;
  /** Seconds of writes that the worst off tenant would have lost, had the cell's disk died when the drill began. */
  readonly rpoSeconds: number;
  readonly leases: number;
  readonly rows: number;
  /** B-trees that were checked against their tables. */
  readonly indexes: number;
  readonly tenants: readonly TenantLoss[];
  /** What did not come back that should have; empty for a drill that succeeded. */
  readonly problems: readonly string[];
}

/**
 * Restores a cell's newest backup beside it, as after the loss of its disk at this moment, and compares it with the living cell, which is only read.
 * @throws backup-busy, no-backup, restore-failed
 */
export async function drillRestore(database: CellDatabase, means: RestoreMeans): Promise<DrillReport> {
  return await alone(database, async () => {
    const at = new Date(means.clock.now());
    const base = await findBase(database, null);
    const archived = await archivedSegments(database.home, database.cell, base.life);
    return await withBeside(database, means, base, { until: null, archived }, async (beside) => {
      const contents = await inspect(beside);
      const living = await livingMarks(database, beside.through, at);
      const tenants = lossOf(contents, living, beside.through, at);
      return {
        cell: database.cell,
        base: base.id,
        through: beside.through,
        rtoSeconds: beside.restoreMs / 1000,
        rpoSeconds: recoveryPoint(tenants),
        leases: contents.leases.length,
        rows: contents.marks.reduce((total, { rows }) => total + rows, 0),
        indexes: contents.indexes,
        tenants,
        problems: missingRows(contents, living),
      };
    });
  });
}

async function livingMarks(database: CellDatabase, after: string, at: Date): Promise<TenantMark[]> {
  const client = await connect(database.superuserUrl("cell"), `${database.cell}-drill`);
  try {
    return await tenantMarks(client, { after, until: at.toISOString() });
  } finally {
    await client.end();
  }
}

/** A row that nobody has written since the newest restored commit was there then, and must have come back. Pure. */
export function missingRows(restored: Pick<Contents, "marks" | "leases">, living: readonly TenantMark[]): string[] {
  const came = new Map(restored.marks.map(({ tenant, rows }) => [tenant, rows]));
  const slugs = new Map(restored.leases.map(({ tenant, slug }) => [tenant, slug]));
  return living.flatMap(({ tenant, rows, rowsSince }) => {
    const missing = rows - rowsSince - (came.get(tenant) ?? 0);
    return missing > 0 ? [`${missing} rows of ${slugs.get(tenant) ?? tenant} did not come back`] : [];
  });
}
