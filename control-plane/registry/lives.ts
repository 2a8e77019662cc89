import type { Clock } from "../../common/clock.ts";
import type {
  AnnounceRestore,
  AnnounceTenantRestore,
  LifePlan,
  RestoreReport,
} from "../../common/contracts/restores.ts";
import type { CellId } from "../../common/ids.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { fail } from "../errors.ts";
import { tenantUpdate } from "../fleet/rows.ts";
import { lockCells, reserve } from "./cells.store.ts";
import { change, type Cause, type Change } from "./change.ts";
import { followOwner, grantAnew, markConfirmed, raiseEpoch, writePlan, writeReport } from "./lives.store.ts";
import { lockSlug, tenantRowOf, type TenantRecord } from "./tenants.store.ts";

type Wiring = { readonly pool: Pool; readonly clock: Clock };

/**
 * Writes down what was decided about a cell's leases and publishes the new epochs, before the cell is told: whoever crashes between says the same
 * again, and no router is ever sent to an epoch that the registry does not know.
 */
export async function planLife(
  wiring: Wiring,
  cause: Cause,
  cell: CellId,
  incarnation: string,
  plan: LifePlan,
): Promise<void> {
  await change(wiring, cause, async (step) => {
    await lockCells(step.tx, [...new Set([cell, ...plan.followed.map((followed) => followed.cell)])]);
    await writePlan(step.tx, cell, incarnation, plan);
    for (const { tenant, epoch } of plan.confirmed) publish(step, await raiseEpoch(step.tx, tenant, epoch));
    for (const { tenant, epoch } of plan.granted) publish(step, await grantAnew(step.tx, tenant, epoch));
    for (const { tenant, cell: owner, epoch } of plan.followed) {
      const followed = await followOwner(step.tx, tenant, owner, epoch);
      publish(step, followed);
      if (followed === null || followed.synthetic) continue;
      await reserve(step.tx, cell, followed.demand, -1);
      await reserve(step.tx, owner, followed.demand, 1);
    }
    step.audit("cell.life-planned", `${cell}/${incarnation}`, { reason: summaryOf(plan) });
    step.announce("cell", cell);
    step.wake("leases");
  });
}

function publish(step: Change, tenant: TenantRecord | null): void {
  if (tenant === null) return;
  step.publish(tenantUpdate(tenantRowOf(tenant)));
  step.announce("tenant", tenant.slug);
}

/** For the audit: what became of how many, and by name what the cell lost. */
function summaryOf({ confirmed, dropped, granted, followed }: LifePlan): string {
  const counts = `${confirmed.length} confirmed, ${dropped.length} dropped, ${granted.length} begin empty, ${followed.length} placed where they are`;
  const names = dropped.slice(0, 20).map(({ slug, why }) => `${slug}: ${why}`);
  return [counts, ...names].join("; ");
}

/** Notes that the cell has taken the registry's word for all of its leases. */
export async function lifeConfirmed(wiring: Wiring, cause: Cause, cell: CellId, incarnation: string): Promise<void> {
  await change(wiring, cause, async (step) => {
    if (!(await markConfirmed(step.tx, cell, incarnation))) return;
    step.audit("cell.life-confirmed", `${cell}/${incarnation}`);
    step.announce("cell", cell);
    step.wake("leases");
  });
}

/** Writes the wish to restore a cell into the audit, before anything is done. @throws unknown-cell */
export async function announceRestore(
  wiring: Wiring,
  cause: Cause,
  cell: CellId,
  { until }: AnnounceRestore,
): Promise<void> {
  await change(wiring, cause, async (step) => {
    await requireCell(step, cell);
    step.audit("cell.restore", `${cell} to ${until ?? "the newest state"}`);
  });
}

/** Writes the wish to restore a tenant into the audit, before anything is done. @throws unknown-tenant */
export async function announceTenantRestore(
  wiring: Wiring,
  cause: Cause,
  slug: string,
  { until, as }: AnnounceTenantRestore,
): Promise<void> {
  await change(wiring, cause, async (step) => {
    const known = await lockSlug(step.tx, slug);
    if (known === null || known.synthetic) throw fail("unknown-tenant", `There is no tenant ${slug}.`);
    step.audit("tenant.restore", `${slug} to ${until}${as === undefined ? "" : ` as ${as}`}`);
    step.announce("tenant", slug);
  });
}

/** Keeps what a restore lost, per tenant. @throws unknown-cell */
export async function reportRestore(
  wiring: Wiring,
  cause: Cause,
  cell: CellId,
  incarnation: string,
  report: RestoreReport,
): Promise<void> {
  await change(wiring, cause, async (step) => {
    await requireCell(step, cell);
    await writeReport(step.tx, cell, incarnation, report);
    const losers = report.tenants.filter(({ lostSeconds }) => lostSeconds > 0);
    const reason = `restored through ${report.through}; ${losers.length} of ${report.tenants.length} tenants lost writes`;
    step.audit("cell.restored", `${cell}/${incarnation}`, { reason });
    step.announce("cell", cell);
  });
}

async function requireCell(step: Change, cell: CellId): Promise<void> {
  const [known] = await lockCells(step.tx, [cell]);
  if (known === undefined) throw fail("unknown-cell", `There is no cell ${cell}.`);
}
