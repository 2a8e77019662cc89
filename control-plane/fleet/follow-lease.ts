import Value from "typebox/value";
import type { Clock } from "../../common/clock.ts";
import { NoAnswer } from "../../common/http/exchange.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { fail } from "../errors.ts";
import { findCell } from "../registry/cells.store.ts";
import { change, type Cause } from "../registry/change.ts";
import { raiseEpoch } from "../registry/lives.store.ts";
import { findTenant, tenantRowOf } from "../registry/tenants.store.ts";
import { HeldLease } from "./confirmation.ts";
import type { PartClient } from "./part-client.ts";
import { tenantUpdate } from "./rows.ts";

const timeoutMs = 3_000;

/**
 * Has registry and document follow the lease in the tenant's cell, after a restore of the tenant raised its epoch there. The lease is the truth: a registry that
 * never hears of it costs a redirect, no more.
 * @throws unknown-tenant, cell-unreachable
 */
export async function followLease(
  wiring: { readonly pool: Pool; readonly clock: Clock; readonly parts: PartClient },
  cause: Cause,
  slug: string,
): Promise<void> {
  const tenant = await findTenant(wiring.pool, slug);
  if (tenant === null) throw fail("unknown-tenant", `There is no tenant ${slug}.`);
  const cell = await findCell(wiring.pool, tenant.cell);
  if (cell === null) throw new Error("a tenant's cell is not there");
  const url = `${cell.slots[cell.liveSlot].adminUrl}/v1/leases/${tenant.id}`;
  const lease = await wiring.parts.call({ url, audience: cell.id, timeoutMs }).catch((error: unknown) => {
    if (error instanceof NoAnswer) throw fail("cell-unreachable", `${cell.id} does not answer.`, { cause: error });
    throw error;
  });
  const held = lease.status === 200 && Value.Check(HeldLease, lease.body) ? lease.body : null;
  if (held === null || (held.state !== "active" && held.state !== "frozen")) return;
  await change(wiring, cause, async (step) => {
    const raised = await raiseEpoch(step.tx, tenant.id, held.epoch);
    if (raised === null) return;
    step.publish(tenantUpdate(tenantRowOf(raised)));
    step.audit("tenant.epoch", `${slug} at ${held.epoch}`);
    step.announce("tenant", slug);
  });
}
