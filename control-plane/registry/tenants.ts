import type { Clock } from "../../common/clock.ts";
import { tierLimits, type CreateTenant, type Tenant } from "../../common/contracts/control-plane.ts";
import type { Generation } from "../../common/contracts/fleet.ts";
import { tenantId, type CellId, type KeyId, type TenantId } from "../../common/ids.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { uuidv7 } from "../../common/uuid.ts";
import { fail } from "../errors.ts";
import { keyRemoval, keyUpdate, tenantUpdate } from "../fleet/rows.ts";
import { explain } from "../placement/explain.ts";
import { lockCells, reserve } from "./cells.store.ts";
import { change, type Cause, type Change } from "./change.ts";
import { insertKey, liveKeys, makeKey, revokeKeys } from "./keys.store.ts";
import { demandOf, placeAwayFromDown } from "./placement.ts";
import { readSettings } from "./settings.store.ts";
import {
  findTenant,
  insertTenant,
  listTenants,
  lockSlug,
  markDelivered,
  noteLease,
  tenantRowOf,
  wantState,
  type TenantRecord,
} from "./tenants.store.ts";

/** Kept for the cells' own tenants. */
export const syntheticPrefix = "synthetic-";
/** Enough to rotate with, few enough to revoke in a hurry. */
const keysPerTenant = 20;

export interface NewKey {
  readonly id: KeyId;
  readonly key: string;
}
type Wiring = { readonly pool: Pool; readonly clock: Clock };

/**
 * Begins the creation of a tenant, or goes on with one that was begun by the same call and never answered: placement, capacity, key and
 * document in one transaction. The cell's lease follows by the reconciler.
 * @throws slug-taken, slug-reserved, NoCellFits
 */
export async function beginTenant(
  wiring: Wiring,
  cause: Cause,
  wish: CreateTenant,
  down: ReadonlySet<CellId>,
): Promise<{ readonly tenant: TenantRecord; readonly key: NewKey }> {
  if (wish.slug.startsWith(syntheticPrefix))
    throw fail("slug-reserved", `${wish.slug} is kept for a cell's own tenant.`);
  const { result } = await change(wiring, cause, async (step) => {
    const known = await lockSlug(step.tx, wish.slug);
    if (known !== null && !isSameCreation(known, wish))
      throw fail("slug-taken", `${wish.slug} is a tenant already, in state ${known.state}.`);
    const tenant = known ?? (await placeTenant(step, wish, down));
    if (known !== null)
      await endKeys(
        step,
        tenant.id,
        (await liveKeys(step.tx, [tenant.id])).map(({ id }) => id),
      );
    step.audit(known === null ? "tenant.create" : "tenant.create-again", wish.slug);
    step.announce("tenant", wish.slug);
    step.wake("leases");
    return { tenant, key: await giveKey(step, tenant.id) };
  });
  return result;
}

/** A call that was never answered with a key may be repeated; what is served and handed out is somebody's. */
function isSameCreation(known: TenantRecord, wish: CreateTenant): boolean {
  return (
    !known.delivered &&
    known.state !== "suspended" &&
    known.tier === wish.tier &&
    known.region === (wish.region ?? null)
  );
}

async function placeTenant(step: Change, wish: CreateTenant, down: ReadonlySet<CellId>): Promise<TenantRecord> {
  const id = tenantId(uuidv7());
  const region = wish.region ?? null;
  const demand = demandOf(id, wish.tier, region);
  const decision = placeAwayFromDown(demand, await lockCells(step.tx), down);
  await reserve(step.tx, decision.cell, demand.demand, 1);
  const tenant = await insertTenant(step.tx, {
    id,
    slug: wish.slug,
    tier: wish.tier,
    region,
    cell: decision.cell,
    synthetic: false,
    limits: tierLimits[wish.tier],
    demand: demand.demand,
    decision,
    explanation: explain(decision),
    delivered: false,
  });
  step.publish(tenantUpdate(tenantRowOf(tenant)));
  return tenant;
}

async function giveKey(step: Change, tenant: TenantId): Promise<NewKey> {
  const { id, text, digest } = makeKey();
  await insertKey(step.tx, { id, tenant, digest });
  step.publish(keyUpdate({ digest, id, tenant }));
  return { id, key: text };
}

async function endKeys(step: Change, tenant: TenantId, ids: readonly KeyId[]): Promise<number> {
  const digests = await revokeKeys(step.tx, tenant, ids);
  for (const digest of digests) step.publish(keyRemoval(digest));
  return digests.length;
}

/** Notes that a creation was answered: from now on the same call is refused. */
export async function deliverTenant({ pool }: Wiring, id: TenantId): Promise<void> {
  await markDelivered(pool, id);
}

/**
 * Notes that the cell's lease is as was wanted at the count `applied`, and publishes a new tenant as active.
 * @returns the generation that says so, null where nothing changed.
 */
export async function leaseApplied(wiring: Wiring, cause: Cause, before: TenantRecord): Promise<Generation | null> {
  const { generation } = await change(wiring, cause, async (step) => {
    const tenant = await noteLease(step.tx, before.id, before.leaseWanted);
    if (tenant === null) return;
    step.publish(tenantUpdate(tenantRowOf(tenant)));
    step.announce("tenant", tenant.slug);
  });
  return generation;
}

/** Suspends a tenant: routers refuse it with the next generation, the cell with its lease. Again with another reason changes the reason. */
export async function suspendTenant(wiring: Wiring, cause: Cause, slug: string): Promise<TenantRecord> {
  return await setState(wiring, cause, slug, "suspended");
}

export async function resumeTenant(wiring: Wiring, cause: Cause, slug: string): Promise<TenantRecord> {
  return await setState(wiring, cause, slug, "active");
}

async function setState(
  wiring: Wiring,
  cause: Cause,
  slug: string,
  state: "active" | "suspended",
): Promise<TenantRecord> {
  const { result } = await change(wiring, cause, async (step) => {
    const known = await lockSlug(step.tx, slug);
    if (known === null || known.synthetic) throw fail("unknown-tenant", `There is no tenant ${slug}.`);
    if (known.state === "provisioning") throw fail("tenant-not-served", `${slug} is not served yet.`);
    const reason = state === "suspended" ? (cause.reason ?? null) : null;
    if (known.state === state && known.reason === reason) return known;
    const tenant = await wantState(step.tx, known.id, state, reason);
    step.publish(tenantUpdate(tenantRowOf(tenant)));
    step.audit(state === "suspended" ? "tenant.suspend" : "tenant.resume", slug);
    step.announce("tenant", slug);
    step.wake("leases");
    return tenant;
  });
  return result;
}

/** Gives a tenant one more key. @throws unknown-tenant, too-many-keys */
export async function createKey(wiring: Wiring, cause: Cause, slug: string): Promise<NewKey> {
  const { result } = await change(wiring, cause, async (step) => {
    const tenant = await lockSlug(step.tx, slug);
    if (tenant === null || tenant.synthetic) throw fail("unknown-tenant", `There is no tenant ${slug}.`);
    const keys = await liveKeys(step.tx, [tenant.id]);
    if (keys.length >= keysPerTenant) throw fail("too-many-keys", `${slug} has ${keys.length} keys.`);
    const key = await giveKey(step, tenant.id);
    step.audit("key.create", `${slug}/${key.id}`);
    step.announce("tenant", slug);
    return key;
  });
  return result;
}

/** Ends a key. @throws unknown-tenant, unknown-key */
export async function revokeKey(wiring: Wiring, cause: Cause, slug: string, id: KeyId): Promise<void> {
  await change(wiring, cause, async (step) => {
    const tenant = await lockSlug(step.tx, slug);
    if (tenant === null || tenant.synthetic) throw fail("unknown-tenant", `There is no tenant ${slug}.`);
    if ((await endKeys(step, tenant.id, [id])) === 0) throw fail("unknown-key", `${slug} has no live key ${id}.`);
    step.audit("key.revoke", `${slug}/${id}`);
    step.announce("tenant", slug);
  });
}

/** A tenant as the API shows it. @throws unknown-tenant */
export async function showTenant(pool: Pool, slug: string): Promise<Tenant> {
  const tenant = await findTenant(pool, slug);
  if (tenant === null) throw fail("unknown-tenant", `There is no tenant ${slug}.`);
  const [shown] = await shownTenants(pool, [tenant]);
  if (shown === undefined) throw new Error("a tenant was lost on the way");
  return shown;
}

export async function showTenants(pool: Pool, filter: Parameters<typeof listTenants>[1]): Promise<Tenant[]> {
  return await shownTenants(pool, await listTenants(pool, filter));
}

async function shownTenants(pool: Pool, tenants: readonly TenantRecord[]): Promise<Tenant[]> {
  const [{ baseDomain }, keys] = await Promise.all([
    readSettings(pool),
    liveKeys(
      pool,
      tenants.map(({ id }) => id),
    ),
  ]);
  const keysOf = Map.groupBy(keys, ({ tenant }) => tenant);
  return tenants.map(({ id, slug, tier, region, cell, epoch, state, reason, synthetic, limits, createdAt }) => ({
    id,
    slug,
    tier,
    region,
    cell,
    epoch,
    state,
    reason,
    synthetic,
    limits,
    host: `${slug}.${baseDomain}`,
    createdAt: createdAt.toISOString(),
    keys: (keysOf.get(id) ?? []).map((key) => ({ id: key.id, createdAt: key.createdAt.toISOString() })),
  }));
}
