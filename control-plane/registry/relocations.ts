import type { Clock } from "../../common/clock.ts";
import type { CustomerTier } from "../../common/contracts/control-plane.ts";
import type { HeldCells, WantedCell } from "../../common/contracts/claims.ts";
import type { RelocateTenant } from "../../common/contracts/restores.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { fail } from "../errors.ts";
import { tenantUpdate } from "../fleet/rows.ts";
import { exclusionOf, exclusionText } from "../placement/constraints.ts";
import { defaultPolicy } from "../placement/policy.ts";
import { lockCells, reserve } from "./cells.store.ts";
import { change, type Cause, type Change } from "./change.ts";
import { deleteClaims } from "./claims.store.ts";
import { beginCommand, heldBy } from "./commands.ts";
import { endCommand, followRelocation, isRelocating, type OpenRelocation } from "./commands.store.ts";
import { demandOf, supplyOf } from "./placement.ts";
import { lockSlug, tenantRowOf, type TenantRecord } from "./tenants.store.ts";

type Wiring = { readonly pool: Pool; readonly clock: Clock };

/**
 * Begins a restore of a tenant in another cell: both cells are held, room is reserved in the destination, the wish stands in the audit. Constraints of
 * placement hold as for a new tenant.
 * @throws unknown-tenant, tenant-not-served, unknown-cell, claim-taken, relocation-refused
 */
export async function beginRelocation(
  wiring: Wiring,
  cause: Cause,
  slug: string,
  wish: Pick<RelocateTenant, "into" | "until"> & { readonly cells: readonly WantedCell[] },
): Promise<{ readonly held: HeldCells; readonly relocation: OpenRelocation }> {
  const { result } = await change(wiring, cause, async (step) => {
    const tenant = await lockSlug(step.tx, slug);
    if (tenant === null || tenant.synthetic) throw fail("unknown-tenant", `There is no tenant ${slug}.`);
    if (tenant.state === "provisioning") throw fail("tenant-not-served", `${slug} is not served yet.`);
    if (tenant.cell === wish.into)
      throw fail("relocation-refused", `${slug} is in ${wish.into} already: leave \`--into\` out to restore it there.`);
    if (await isRelocating(step.tx, tenant.id))
      throw fail("relocation-refused", `${slug} is on its way to another cell already.`);
    requireHeld(tenant, wish);
    const plan = { tenant: tenant.id, slug, source: tenant.cell, destination: wish.into, step: null };
    const command = { kind: "tenant-restore", cells: wish.cells, relocation: plan } as const;
    const operation = await beginCommand(step, cause, command, wiring.clock.now());
    await takeRoom(step, tenant, wish.into);
    step.audit("tenant.restore", `${slug} to ${wish.until} in ${wish.into}`, { operation });
    step.announce("tenant", slug);
    return { held: await heldBy(step, operation), relocation: { operation, ...plan } };
  });
  return result;
}

function requireHeld(
  tenant: TenantRecord,
  { into, cells }: { readonly into: string; readonly cells: readonly WantedCell[] },
): void {
  for (const cell of [tenant.cell, into])
    if (!cells.some((wanted) => wanted.cell === cell))
      throw fail("relocation-refused", `The call does not claim ${cell}; the tenant may have moved meanwhile.`);
}

async function takeRoom(step: Change, tenant: TenantRecord, into: TenantRecord["cell"]): Promise<void> {
  const [cell] = await lockCells(step.tx, [into]);
  if (cell === undefined) throw fail("unknown-cell", `There is no cell ${into}.`);
  const demand = demandOf(tenant.id, tenant.tier as CustomerTier, tenant.region);
  const exclusion = exclusionOf(demand, supplyOf(cell), defaultPolicy);
  if (exclusion !== null)
    throw fail("relocation-refused", `${into} is ${exclusionText(exclusion, demand, supplyOf(cell))}.`);
  await reserve(step.tx, into, tenant.demand, 1);
}

/** The registry follows a tenant that was given away: its placement is the destination, at the release's epoch. Again it changes nothing. */
export async function arrived(wiring: Wiring, cause: Cause, relocation: OpenRelocation, epoch: number): Promise<void> {
  const { operation, slug, source, destination } = relocation;
  await change(wiring, cause, async (step) => {
    await lockCells(step.tx, [source, destination].toSorted());
    const tenant = await lockSlug(step.tx, slug);
    if (tenant === null || !(await endCommand(step.tx, operation))) return;
    const why = `restored from ${source} into ${destination} by operation ${operation}`;
    const followed = await followRelocation(step.tx, relocation, epoch, why);
    if (followed !== null) {
      step.publish(tenantUpdate(tenantRowOf(followed)));
      await reserve(step.tx, source, tenant.demand, -1);
    } else await reserve(step.tx, destination, tenant.demand, -1);
    await deleteClaims(step.tx, operation);
    step.audit("tenant.relocated", `${slug} in ${destination} at ${epoch}`, { operation });
    step.announce("tenant", slug);
    step.wake("leases");
  });
}

/** The tenant stays where it is: the room and the cells are given back. Again it changes nothing. */
export async function stayed(wiring: Wiring, cause: Cause, relocation: OpenRelocation): Promise<void> {
  const { operation, slug, source, destination } = relocation;
  await change(wiring, cause, async (step) => {
    await lockCells(step.tx, [source, destination].toSorted());
    const tenant = await lockSlug(step.tx, slug);
    if (tenant === null || !(await endCommand(step.tx, operation))) return;
    await reserve(step.tx, destination, tenant.demand, -1);
    await deleteClaims(step.tx, operation);
    step.audit("tenant.relocation-undone", `${slug} stays in ${tenant.cell}`, { operation });
    step.announce("tenant", slug);
  });
}
