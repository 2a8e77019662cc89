import type { RollupRow, Shipment } from "../../common/contracts/rollups.ts";
import type { CellId } from "../../common/ids.ts";
import { inTransaction, type Pool, type Queryable } from "../../common/postgres/pool.ts";

export interface Taken {
  /** The number expected next. */
  readonly next: number;
  readonly kind: "taken" | "duplicate" | "gap";
}

/**
 * Takes a shipment, whole or not at all, if it is (or, as a run of several, holds) the one expected next of its (cell, incarnation). An earlier one
 * is known already; of a later one nothing is kept, because values are absolute and an older one sent again after it would win.
 */
export async function takeShipment(pool: Pool, shipment: Shipment, oldestBucket: Date): Promise<Taken> {
  return await inTransaction(pool, async (tx) => {
    const next = await expectedNext(tx, shipment);
    if (shipment.number < next) return { next, kind: "duplicate" };
    if ((shipment.from ?? shipment.number) > next) {
      await tx.query(
        "UPDATE shipments SET gap_since = coalesce(gap_since, now()) WHERE cell = $1 AND incarnation = $2",
        [shipment.cell, shipment.incarnation],
      );
      return { next, kind: "gap" };
    }
    await writeRows(tx, shipment.cell, newestOfEach(shipment.rows, oldestBucket));
    await tx.query(
      "UPDATE shipments SET next = $3, as_of = $4, gap_since = NULL WHERE cell = $1 AND incarnation = $2",
      [shipment.cell, shipment.incarnation, shipment.number + 1, shipment.asOf],
    );
    return { next: shipment.number + 1, kind: "taken" };
  });
}

/** Locks the shipper's row, making it for a new life of a cell. */
async function expectedNext(tx: Queryable, { cell, incarnation }: Shipment): Promise<number> {
  const { rows } = await tx.query<{ next: number }>(
    `INSERT INTO shipments (cell, incarnation) VALUES ($1, $2)
     ON CONFLICT (cell, incarnation) DO UPDATE SET heard_at = now() RETURNING next`,
    [cell, incarnation],
  );
  return rows[0]?.next ?? 1;
}

/** One statement may touch a row only once: of the same tenant, aggregate and bucket the highest epoch stays, then the last. */
function newestOfEach(rows: readonly RollupRow[], oldestBucket: Date): readonly RollupRow[] {
  const newest = new Map<string, RollupRow>();
  for (const row of rows) {
    const at = Date.parse(row.bucket);
    if (at < oldestBucket.getTime()) continue;
    const key = `${row.aggregate} ${row.tenant} ${at}`;
    const known = newest.get(key);
    if (known === undefined || row.epoch >= known.epoch) newest.set(key, row);
  }
  return [...newest.values()];
}

async function writeRows(tx: Queryable, cell: CellId, rows: readonly RollupRow[]): Promise<void> {
  if (rows.length === 0) return;
  const json = JSON.stringify(rows);
  await tx.query(
    `INSERT INTO rollups (aggregate, tenant, bucket, epoch, cell, slug, tier, synthetic, merge, value)
     SELECT aggregate, tenant, bucket, epoch, $1, slug, tier, synthetic, merge, value
     FROM jsonb_to_recordset($2::jsonb) AS row (aggregate text, tenant uuid, bucket timestamptz, epoch bigint, slug text,
       tier text, synthetic boolean, merge text, value jsonb)
     ON CONFLICT (aggregate, tenant, bucket) DO UPDATE SET epoch = excluded.epoch, cell = excluded.cell, slug = excluded.slug,
       tier = excluded.tier, synthetic = excluded.synthetic, merge = excluded.merge, value = excluded.value
     WHERE excluded.epoch >= rollups.epoch`,
    [cell, json],
  );
  await tx.query(
    `INSERT INTO owners (tenant, epoch, cell)
     SELECT tenant, max(epoch), $1 FROM jsonb_to_recordset($2::jsonb) AS row (tenant uuid, epoch bigint) GROUP BY tenant
     ON CONFLICT (tenant) DO UPDATE SET epoch = excluded.epoch, cell = excluded.cell WHERE excluded.epoch > owners.epoch`,
    [cell, json],
  );
}

/** How a cell's newest life stands with its shipments. */
export interface Shipper {
  readonly cell: CellId;
  readonly incarnation: string;
  readonly next: number;
  /** When the last part that was taken was true; null before the first. */
  readonly asOf: Date | null;
  readonly gapSince: Date | null;
}

export async function shippers(pool: Queryable): Promise<readonly Shipper[]> {
  const { rows } = await pool.query<Shipper>(
    `SELECT DISTINCT ON (cell) cell, incarnation, next, as_of AS "asOf", gap_since AS "gapSince"
     FROM shipments ORDER BY cell, heard_at DESC`,
  );
  return rows;
}
