import { canonicalJson } from "../../common/canonical.ts";
import type { Clock } from "../../common/clock.ts";
import { tierLimits, type RegisterCell } from "../../common/contracts/control-plane.ts";
import type { Slot } from "../../common/contracts/lease.ts";
import { keyIdOf } from "../../common/keys.ts";
import { partId, tenantId, type CellId, type ReleaseName } from "../../common/ids.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { uuidv7 } from "../../common/uuid.ts";
import { fail } from "../errors.ts";
import { cellUpdate, partUpdate, tenantUpdate } from "../fleet/rows.ts";
import { demandOfTier } from "../placement/policy.ts";
import {
  cellRowOf,
  findCell,
  insertCell,
  lockCells,
  setCordon,
  setLive,
  updateCellAddresses,
  type CellRecord,
} from "./cells.store.ts";
import { change, type Cause, type Change } from "./change.ts";
import { checkKey } from "./parts.ts";
import { findPart, writePart } from "./parts.store.ts";
import { syntheticPrefix } from "./tenants.ts";
import { insertTenant, lockSlug, tenantRowOf } from "./tenants.store.ts";

type Wiring = { readonly pool: Pool; readonly clock: Clock };

/**
 * Registers a cell with its key and its synthetic tenant. Again with other addresses or another key changes these; what runs in it stays as
 * the registry has it.
 * @throws cell-differs, part-differs
 */
export async function registerCell(wiring: Wiring, cause: Cause, cell: RegisterCell): Promise<CellRecord> {
  checkKey(cell.publicKey);
  const { result } = await change(wiring, cause, async (step) => {
    const known = (await lockCells(step.tx, [cell.id]))[0];
    if (known !== undefined && known.region !== cell.region)
      throw fail("cell-differs", `${cell.id} is registered in ${known.region}.`);
    await writeCellPart(step, cell);
    if (known === undefined) await addCell(step, cell);
    else await updateCellAddresses(step.tx, cell);
    const now = await findCell(step.tx, cell.id);
    if (now === null) throw new Error("the cell was lost on the way");
    step.publish(cellUpdate(cellRowOf(now)));
    if (known === undefined || canonicalJson(known) !== canonicalJson(now)) step.audit("cell.register", cell.id);
    step.announce("cell", cell.id);
    return now;
  });
  return result;
}

async function writeCellPart(step: Change, cell: RegisterCell): Promise<void> {
  const part = { id: partId(cell.id), role: "cell" as const, keys: [cell.publicKey], url: null };
  const known = await findPart(step.tx, part.id);
  if (known !== null && known.role !== "cell") throw fail("part-differs", `${cell.id} is a ${known.role}.`);
  step.publish(partUpdate(part));
  if (known !== null && canonicalJson(known) === canonicalJson(part)) return;
  await writePart(step.tx, part);
  step.audit("part.register", `${part.id} (${keyIdOf(cell.publicKey)})`);
}

async function addCell(step: Change, cell: RegisterCell): Promise<void> {
  const slug = `${syntheticPrefix}${cell.id}`;
  await insertCell(step.tx, cell);
  await lockSlug(step.tx, slug);
  const tenant = await insertTenant(step.tx, {
    id: tenantId(uuidv7()),
    slug,
    tier: "synthetic",
    region: cell.region,
    cell: cell.id,
    synthetic: true,
    limits: tierLimits.synthetic,
    demand: demandOfTier.synthetic,
    decision: null,
    explanation: `${cell.id}: the cell's own tenant for smoke tests and synthetic load`,
    delivered: true,
  });
  step.publish(tenantUpdate(tenantRowOf(tenant)));
  step.wake("leases");
}

/** Stops or allows new tenants. @throws unknown-cell */
export async function cordonCell(wiring: Wiring, cause: Cause, id: CellId, cordoned: boolean): Promise<void> {
  await changeCell(wiring, cause, id, async (step, cell) => {
    if (cell.cordoned === cordoned) return cell;
    await setCordon(step.tx, id, cordoned);
    step.audit(cordoned ? "cell.cordon" : "cell.uncordon", id);
    return { ...cell, cordoned };
  });
}

/** Publishes which slot is live and what runs in it. A hint for those who route: the cell itself names the true slot. */
export async function publishLive(
  wiring: Wiring,
  cause: Cause,
  id: CellId,
  slot: Slot,
  release: ReleaseName,
): Promise<void> {
  await changeCell(wiring, cause, id, async (step, cell) => {
    if (cell.liveSlot === slot && cell.release === release) return cell;
    await setLive(step.tx, id, slot, release);
    step.audit("cell.live", `${id}/${slot}/${release}`);
    return { ...cell, liveSlot: slot, release };
  });
}

async function changeCell(
  wiring: Wiring,
  cause: Cause,
  id: CellId,
  work: (step: Change, cell: CellRecord) => Promise<CellRecord>,
): Promise<void> {
  await change(wiring, cause, async (step) => {
    const [cell] = await lockCells(step.tx, [id]);
    if (cell === undefined) throw fail("unknown-cell", `There is no cell ${id}.`);
    const after = await work(step, cell);
    if (after === cell) return;
    step.publish(cellUpdate(cellRowOf(after)));
    step.announce("cell", id);
  });
}
