import type { Pool } from "../../common/postgres/pool.ts";

/** Rows deleted by one statement, so that none holds locks for long. */
const batch = 10_000;

/**
 * Deletes what is older than `oldest`: rollups, lives of cells not heard of since, owners without rollups.
 * @returns how many rollups went.
 */
export async function deleteOlderThan(pool: Pool, oldest: Date): Promise<number> {
  let total = 0;
  for (;;) {
    const deleted = await pool.query(
      "DELETE FROM rollups WHERE ctid IN (SELECT ctid FROM rollups WHERE bucket < $1 ORDER BY bucket LIMIT $2)",
      [oldest, batch],
    );
    total += deleted.rowCount ?? 0;
    if ((deleted.rowCount ?? 0) < batch) break;
  }
  await pool.query("DELETE FROM shipments WHERE heard_at < $1", [oldest]);
  if (total > 0) {
    await pool.query("DELETE FROM owners WHERE NOT EXISTS (SELECT FROM rollups WHERE rollups.tenant = owners.tenant)");
  }
  return total;
}
