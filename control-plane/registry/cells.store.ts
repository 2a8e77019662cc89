import type { RegisterCell } from "../../common/contracts/control-plane.ts";
import type { CellRow, Tier } from "../../common/contracts/fleet.ts";
import type { Slot, SlotAddresses } from "../../common/contracts/lease.ts";
import type { CellId, ReleaseName } from "../../common/ids.ts";
import type { Queryable } from "../../common/postgres/pool.ts";
import type { CapacityUnits } from "../placement/capacity.ts";

/** A cell as the registry keeps it. */
export interface CellRecord {
  readonly id: CellId;
  readonly region: string;
  readonly slots: Readonly<Record<Slot, SlotAddresses>>;
  readonly liveSlot: Slot;
  readonly release: ReleaseName | null;
  readonly cordoned: boolean;
  readonly ring: string;
  readonly tiers: readonly Tier[];
  readonly capacity: CapacityUnits;
  /** Reserved by placements. */
  readonly used: CapacityUnits;
  /** Customers' tenants placed here, on their way ones too; synthetic ones do not count. */
  readonly tenants: number;
}

const select = `SELECT id, region, slots, live_slot AS "liveSlot", release, cordoned, ring, tiers, capacity,
    used_requests_per_second AS "usedRate", used_storage_bytes AS "usedStorage", used_tenants AS "usedTenants" FROM cells`;

type Row = Omit<CellRecord, "used" | "tenants"> & {
  readonly usedRate: number;
  readonly usedStorage: number;
  readonly usedTenants: number;
};

function recordOf({ usedRate, usedStorage, usedTenants, ...row }: Row): CellRecord {
  return {
    ...row,
    used: { requestsPerSecond: usedRate, storageBytes: usedStorage, tenants: usedTenants },
    tenants: usedTenants,
  };
}

export async function listCells(db: Queryable): Promise<CellRecord[]> {
  return (await db.query<Row>(`${select} ORDER BY id`)).rows.map(recordOf);
}

export async function findCell(db: Queryable, id: string): Promise<CellRecord | null> {
  const [row] = (await db.query<Row>(`${select} WHERE id = $1`, [id])).rows;
  return row === undefined ? null : recordOf(row);
}

/** All cells (or some), locked against other placements and claims until the commit; always in the same order. */
export async function lockCells(tx: Queryable, ids: readonly CellId[] | null = null): Promise<CellRecord[]> {
  const text = `${select} WHERE $1::text[] IS NULL OR id = ANY($1) ORDER BY id FOR UPDATE`;
  return (await tx.query<Row>(text, [ids])).rows.map(recordOf);
}

export async function insertCell(tx: Queryable, cell: RegisterCell): Promise<void> {
  const text = "INSERT INTO cells (id, region, slots, live_slot, release, capacity) VALUES ($1, $2, $3, $4, $5, $6)";
  await tx.query(text, [
    cell.id,
    cell.region,
    JSON.stringify(cell.slots),
    cell.liveSlot,
    cell.release,
    JSON.stringify(cell.capacity),
  ]);
}

export async function updateCellAddresses(tx: Queryable, cell: RegisterCell): Promise<void> {
  await tx.query("UPDATE cells SET slots = $2, capacity = $3 WHERE id = $1", [
    cell.id,
    JSON.stringify(cell.slots),
    JSON.stringify(cell.capacity),
  ]);
}

export async function setCordon(tx: Queryable, id: CellId, cordoned: boolean): Promise<void> {
  await tx.query("UPDATE cells SET cordoned = $2 WHERE id = $1", [id, cordoned]);
}

export async function setLive(tx: Queryable, id: CellId, slot: Slot, release: ReleaseName): Promise<void> {
  await tx.query("UPDATE cells SET live_slot = $2, release = $3 WHERE id = $1", [id, slot, release]);
}

/** Adds a tenant's demand to what is reserved; negative numbers give it back. */
export async function reserve(tx: Queryable, id: CellId, demand: CapacityUnits, sign: 1 | -1): Promise<void> {
  const text = `UPDATE cells SET used_requests_per_second = used_requests_per_second + $2,
    used_storage_bytes = used_storage_bytes + $3, used_tenants = used_tenants + $4 WHERE id = $1`;
  await tx.query(text, [id, sign * demand.requestsPerSecond, sign * demand.storageBytes, sign * demand.tenants]);
}

/** A cell's row of the fleet document. */
export function cellRowOf({ id, region, cordoned, slots, liveSlot, release }: CellRecord): CellRow {
  return { id, region, cordoned, slots: { a: slots.a, b: slots.b }, liveSlot, release };
}
