import type { CellDatabase } from "../../../cells/drivers/local/backup/cell-database.ts";
import {
  bringTenant,
  restoreTenantAs,
  restoreTenantInPlace,
  type RestoredTenant,
} from "../../../cells/drivers/local/backup/restore-tenant.ts";
import type { CreatedTenant, CreateTenant, CustomerTier, Tenant } from "../../../common/contracts/control-plane.ts";
import type { AnnounceTenantRestore, RelocateTenant, TenantRelocation } from "../../../common/contracts/restores.ts";
import type { CellId } from "../../../common/ids.ts";
import type { Answer, Context } from "../../context.ts";
import type { ControlPlane } from "../../control-plane.ts";
import { cliError, RemoteProblem } from "../../errors.ts";
import { facts, table } from "../../text.ts";
import { holding, isUnreachable, wantedCells, whileHeld } from "./claims.ts";
import { cellOf, databaseOf, momentOf, restoreMeans } from "./machine.ts";

interface Wish {
  readonly slug: string;
  readonly to: string;
  readonly reason: string;
  readonly as?: string;
  readonly into?: string;
  readonly from?: string;
}

/** What all ways of a restore work with. */
interface Errand {
  readonly context: Context;
  readonly plane: ControlPlane;
  readonly wish: Wish;
  readonly tenant: Tenant;
  readonly until: Date;
  /** Whose backup is read. */
  readonly from: CellDatabase;
}

/** `tenant restore`: in its place, in another cell, or as a new tenant; from the backups of its cell, or of the cell that had it then. */
export async function restoreTenant(context: Context, wish: Wish): Promise<Answer> {
  if (wish.as !== undefined && wish.into !== undefined)
    throw cliError("usage", "--as makes a new tenant, --into takes this one elsewhere: it is one or the other.");
  const until = momentOf(wish.to);
  const plane = await context.controlPlane();
  const tenant = await plane.get<Tenant>(`/v1/tenants/${encodeURIComponent(wish.slug)}`);
  const errand = { context, plane, wish, tenant, until, from: await databaseOf(context, wish.from ?? tenant.cell) };
  if (wish.into !== undefined) return await restoreInto(errand, cellOf(wish.into));
  const cells = wish.as === undefined ? [errand.from.cell, tenant.cell] : [errand.from.cell];
  return await holding(context, { kind: "tenant-restore", cells, reason: wish.reason }, async () => {
    const as = wish.as === undefined ? {} : { as: wish.as };
    const body: AnnounceTenantRestore = { reason: wish.reason, until: until.toISOString(), ...as };
    // Anew, because it may have moved before its cell was held.
    const now = await plane.post<Tenant>(`/v1/tenants/${encodeURIComponent(wish.slug)}/restores`, body);
    return wish.as === undefined ? await inPlace({ ...errand, tenant: now }) : await asAnother(errand, wish.as);
  });
}

async function asAnother({ context, plane, tenant, until, from }: Errand, as: string): Promise<Answer> {
  const created = await createLike(plane, tenant, as);
  const into = await databaseOf(context, created.cell);
  const wish = { tenant: tenant.id, as: created.id, until };
  const restored = await restoreTenantAs(from, into, await restoreMeans(context), wish);
  const text = textOf(as, created.cell, restored, [
    ["key", created.key],
    ["jobs", "not copied: they would have their effects twice"],
  ]);
  return { json: { tenant: created, ...restored }, text: `${text}\n\nThe key is shown this once.` };
}

async function inPlace({ context, plane, tenant, until, from }: Errand): Promise<Answer> {
  const into = await databaseOf(context, tenant.cell);
  const wanted = { tenant: tenant.id, epoch: tenant.epoch, until };
  const restored = await restoreTenantInPlace(from, into, await restoreMeans(context), wanted);
  const followed = await plane.post<Tenant>(`/v1/tenants/${encodeURIComponent(tenant.slug)}/follow`);
  const text = textOf(tenant.slug, tenant.cell, restored, [
    ["epoch", followed.epoch],
    ["writes stopped for", `${restored.pauseMs} ms`],
  ]);
  return { json: { tenant: followed, ...restored }, text };
}

/**
 * Into another cell: it takes the rows while the tenant is served where it is; then the tenant's own cell gives it away, and the registry follows. Where
 * anything fails before that, the tenant stays as it is.
 */
async function restoreInto({ context, plane, wish, tenant, until, from }: Errand, into: CellId): Promise<Answer> {
  const destination = await databaseOf(context, into);
  const path = `/v1/tenants/${encodeURIComponent(wish.slug)}/relocations`;
  const cells = await wantedCells(context, [from.cell, tenant.cell, into]);
  const body: RelocateTenant = { reason: wish.reason, until: until.toISOString(), into, cells };
  const opened = await plane.post<TenantRelocation>(path, body);
  return await whileHeld(context, plane, opened.held, async ({ operation }) => {
    const step = { operation, attempt: opened.attempt, epoch: opened.epoch };
    let restored: RestoredTenant;
    let arrived: Tenant;
    try {
      restored = await bringTenant(from, destination, await restoreMeans(context), { tenant: tenant.id, until, step });
      arrived = await completeOrUndo(plane, `${path}/${operation}`, into);
    } catch (error) {
      await undo(context, plane, `${path}/${operation}`);
      throw error;
    }
    const text = textOf(wish.slug, into, restored, [["epoch", arrived.epoch]]);
    return {
      json: { tenant: arrived, ...restored },
      text: `${text}\n\nWhat it had stays in ${opened.source}, served by nobody.`,
    };
  });
}

/** An answer that was lost is asked for again: what was left open is settled, and says where the tenant is. */
async function completeOrUndo(plane: ControlPlane, path: string, into: CellId): Promise<Tenant> {
  try {
    return await plane.post<Tenant>(`${path}/complete`);
  } catch (error) {
    if (!isUnreachable(error) && !(error instanceof RemoteProblem && error.problem.status === 503)) throw error;
    const settled = await plane.post<Tenant>(`${path}/abort`);
    if (settled.cell !== into) throw error;
    return settled;
  }
}

/** Why the restore came to nothing is what its reader has to know; who is left open is settled by the control plane. */
async function undo(context: Context, plane: ControlPlane, path: string): Promise<void> {
  try {
    await plane.post<Tenant>(`${path}/abort`);
  } catch (error) {
    // It was settled already.
    if (error instanceof RemoteProblem && error.problem.code === "unknown-operation") return;
    if (!(error instanceof RemoteProblem) && !isUnreachable(error)) throw error;
    context.progress(
      `The control plane brings it to its end when it can: ${error instanceof Error ? error.message : ""}\n`,
    );
  }
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
