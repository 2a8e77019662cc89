import type { RollupRow } from "../../../common/contracts/rollups.ts";
import type { Pool, Queryable } from "../../../common/postgres/pool.ts";
import { inTransaction } from "../../../common/postgres/pool.ts";

// The epoch at which the tenant is owned now, not that at which the value was recorded: what the owner says, it says as the owner.
const columns = `r.aggregate, r.merge, r.tenant_id AS tenant, l.slug, l.tier, l.synthetic, l.epoch,
  to_char(r.bucket AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS bucket, r.value`;

/** The state of the numbering: the life whose numbers they are, and the last one given. */
export interface Numbering {
  readonly incarnation: string;
  readonly last: number;
}

export async function readNumbering(system: Queryable): Promise<Numbering> {
  const result = await system.query<Numbering>(`SELECT incarnation, shipment AS last FROM cellplane.cell`);
  const row = result.rows[0];
  if (row === undefined) throw new Error("the cell is not provisioned");
  return row;
}

/**
 * Gives the next number to what has changed since the last shipment, and to the empty shipment too when nothing has: silence means that the cell cannot
 * be heard.
 * @returns the numbering afterwards, and how many rows got the number.
 */
export async function numberChanges(system: Pool, mostRows: number): Promise<Numbering & { readonly rows: number }> {
  return inTransaction(system, async (client) => {
    // The row lock keeps two shippers from giving one number twice.
    await client.query(`UPDATE cellplane.cell SET shipment = shipment + 1`);
    const numbered = await client.query(
      `UPDATE cellplane.rollups SET shipment = (SELECT shipment FROM cellplane.cell)
       WHERE (tenant_id, aggregate, bucket) IN (
         SELECT tenant_id, aggregate, bucket FROM cellplane.rollups WHERE shipment IS NULL ORDER BY changed_at LIMIT $1 FOR UPDATE)`,
      [mostRows],
    );
    return { ...(await readNumbering(client)), rows: numbered.rowCount ?? 0 };
  });
}

/** Shipments of successive numbers as one: what they held, as far as it was not superseded. */
export interface ShipmentRun {
  readonly from: number;
  readonly to: number;
  readonly rows: readonly RollupRow[];
}

/**
 * The rows whose newest value went out under a number from `from` on, as long a run as `mostRows` allows. Values are absolute, so that a row
 * changed since then is left to the later number that it bears: the run is smaller than its shipments were, never wrong.
 */
export async function readRun(system: Queryable, from: number, last: number, mostRows: number): Promise<ShipmentRun> {
  const result = await system.query<RollupRow & { shipment: number }>(
    `SELECT r.shipment, ${columns} FROM cellplane.rollups r JOIN cellplane.leases l ON l.tenant_id = r.tenant_id AND l.state IN ('active', 'frozen')
     WHERE r.shipment BETWEEN $1 AND $2 ORDER BY r.shipment LIMIT $3`,
    [from, last, mostRows + 1],
  );
  const beyond = result.rows[mostRows]?.shipment;
  const to = beyond === undefined ? last : Math.max(from, beyond - 1);
  return { from, to, rows: result.rows.filter((row) => row.shipment <= to).map(({ shipment: _, ...row }) => row) };
}

/** Marks everything as never shipped, so that it goes out again under new numbers. @returns rows marked. */
export async function shipAllAgain(system: Queryable): Promise<number> {
  const result = await system.query(
    `UPDATE cellplane.rollups SET shipment = NULL, changed_at = clock_timestamp() WHERE shipment IS NOT NULL`,
  );
  return result.rowCount ?? 0;
}
