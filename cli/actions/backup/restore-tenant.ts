import { restoreTenantAs, restoreTenantInPlace } from "../../../cells/drivers/local/backup/restore-tenant.ts";
import type { CreatedTenant, CreateTenant, CustomerTier, Tenant } from "../../../common/contracts/control-plane.ts";
import type { AnnounceTenantRestore } from "../../../common/contracts/restores.ts";
import type { Answer, Context } from "../../context.ts";
import type { ControlPlane } from "../../control-plane.ts";
import { facts, table } from "../../text.ts";
import { databaseOf, momentOf, restoreMeans } from "./machine.ts";

interface Wish {
  readonly slug: string;
  readonly to: string;
  readonly reason: string;
  readonly as?: string;
  readonly from?: string;
}

/** `tenant restore`: in its place, or as a new tenant; from the backups of its cell, or of the cell that had it then. */
export async function restoreTenant(context: Context, wish: Wish): Promise<Answer> {
  const until = momentOf(wish.to);
  const plane = await context.controlPlane();
  const as = wish.as === undefined ? {} : { as: wish.as };
  const body: AnnounceTenantRestore = { reason: wish.reason, until: until.toISOString(), ...as };
  const tenant = await plane.post<Tenant>(`/v1/tenants/${encodeURIComponent(wish.slug)}/restores`, body);
  const from = await databaseOf(context, wish.from ?? tenant.cell);
  const means = await restoreMeans(context);
  if (wish.as !== undefined) {
    const created = await createLike(plane, tenant, wish.as);
    const into = await databaseOf(context, created.cell);
    const restored = await restoreTenantAs(from, into, means, { tenant: tenant.id, as: created.id, until });
    const text = textOf(wish.as, created.cell, restored, [
      ["key", created.key],
      ["jobs", "not copied: they would have their effects twice"],
    ]);
    return { json: { tenant: created, ...restored }, text: `${text}\n\nThe key is shown this once.` };
  }
  const into = await databaseOf(context, tenant.cell);
  const wanted = { tenant: tenant.id, epoch: tenant.epoch, until };
  const restored = await restoreTenantInPlace(from, into, means, wanted);
  const followed = await plane.post<Tenant>(`/v1/tenants/${encodeURIComponent(wish.slug)}/follow`);
  const text = textOf(wish.slug, tenant.cell, restored, [
    ["epoch", followed.epoch],
    ["writes stopped for", `${restored.pauseMs} ms`],
  ]);
  return { json: { tenant: followed, ...restored }, text };
}

async function createLike(plane: ControlPlane, { tier, region }: Tenant, slug: string): Promise<CreatedTenant> {
  const wish: CreateTenant = { slug, tier: tier as CustomerTier, ...(region === null ? {} : { region }) };
  return await plane.post<CreatedTenant>("/v1/tenants", wish);
}

function textOf(
  slug: string,
  cell: string,
  restored: {
    readonly base: string;
    readonly through: string;
    readonly tables: readonly { name: string; rows: number }[];
  },
  more: readonly (readonly [string, string | number | null])[],
): string {
  const summary = facts([
    ["tenant", slug],
    ["cell", cell],
    ["from backup", restored.base],
    ["restored through", restored.through],
    ...more,
  ]);
  const rows = restored.tables.map(({ name, rows: count }) => [name, count]);
  return `${summary}\n\n${table(["TABLE", "ROWS"], rows)}`;
}
