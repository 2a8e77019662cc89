import type { CalendarWindow } from "../../common/contracts/calendar.ts";
import type { CellId } from "../../common/ids.ts";
import type { Queryable } from "../../common/postgres/pool.ts";

/** The maintenance windows of each cell that has any. */
export async function maintenanceWindows(db: Queryable): Promise<ReadonlyMap<CellId, readonly CalendarWindow[]>> {
  const text = "SELECT id, maintenance FROM cells WHERE maintenance <> '[]'";
  const { rows } = await db.query<{ id: CellId; maintenance: CalendarWindow[] }>(text);
  return new Map(rows.map(({ id, maintenance }) => [id, maintenance]));
}

/** @returns whether there is such a cell. */
export async function setMaintenance(
  tx: Queryable,
  cell: CellId,
  windows: readonly CalendarWindow[],
): Promise<boolean> {
  const text = "UPDATE cells SET maintenance = $2 WHERE id = $1";
  return (await tx.query(text, [cell, JSON.stringify(windows)])).rowCount === 1;
}
