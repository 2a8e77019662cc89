import type { CellResult } from "../merge/coverage.ts";
import type { CellRow } from "../../common/contracts/fleet.ts";
import type { CellId } from "../../common/ids.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import type { Fleet } from "../fleet.ts";
import { shippers } from "../ingest/shipments.store.ts";
import type { Span } from "./span.ts";
import { rollupMeasure, type TenantPart } from "./part.ts";
import { tenantHours } from "./rollups.store.ts";

/** What cells pushed: their tenants' parts, and how old each cell's word is. */
export interface Pushed {
  readonly parts: readonly TenantPart[];
  readonly results: readonly CellResult[];
}

/**
 * The parts of these cells' tenants, from their rollups. A tenant belongs to the cell that the fleet document or the last shipment names, whichever
 * knows the higher epoch.
 */
export async function pushedParts(
  pool: Pool,
  fleet: Fleet,
  aggregate: string,
  span: Span,
  cells: readonly CellRow[],
): Promise<Pushed> {
  const wanted = new Set<CellId>(cells.map(({ id }) => id));
  if (wanted.size === 0) return { parts: [], results: [] };
  const placed = fleet.tenantsOf(wanted);
  const [hours, heard] = await Promise.all([
    tenantHours(pool, { aggregate, from: span.from, to: span.to }, [...wanted], placed),
    shippers(pool),
  ]);
  const parts = hours.flatMap((row): TenantPart[] => {
    const published = fleet.tenant(row.tenant);
    if (published?.synthetic === true) return [];
    const moved = published !== undefined && published.epoch >= row.epoch;
    const cell = moved ? published.cell : row.cell;
    const epoch = moved ? published.epoch : row.epoch;
    if (!wanted.has(cell)) return [];
    return [
      {
        tenant: row.tenant,
        epoch,
        cell,
        slug: row.slug,
        tier: row.tier,
        measure: rollupMeasure(row.merge, row.hours),
      },
    ];
  });
  const asOf = new Map(
    heard.flatMap((shipper) => (shipper.asOf === null ? [] : [[shipper.cell, shipper.asOf.getTime()] as const])),
  );
  const results = [...wanted].map((cell): CellResult => {
    const asOfMs = asOf.get(cell);
    return asOfMs === undefined ? { cell, kind: "failed" } : { cell, kind: "answered", asOfMs };
  });
  return { parts: parts.filter(({ cell }) => asOf.has(cell)), results };
}
