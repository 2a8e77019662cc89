import type { TenantLoss } from "../../../../common/contracts/restores.ts";
import type { TenantId } from "../../../../common/ids.ts";
import type { RestoredLease, TenantMark } from "./backup.store.ts";

/**
 * Compares a restored database with the one that it stands for, tenant by tenant. Pure.
 * @param before what the former database held, with the rows from `through` to its end counted apart; null where it could not be read
 * @param through newest commit that was restored
 * @param servedUntil when the former database was last known to take writes
 */
export function lossOf(
  restored: { readonly leases: readonly RestoredLease[]; readonly marks: readonly TenantMark[] },
  before: readonly TenantMark[] | null,
  through: string,
  servedUntil: Date,
): TenantLoss[] {
  const slugs = new Map(restored.leases.map(({ tenant, slug }) => [tenant, slug]));
  const now = new Map(restored.marks.map((mark) => [mark.tenant, mark]));
  const then = new Map((before ?? []).map((mark) => [mark.tenant, mark]));
  const tenants = [...new Set([...slugs.keys(), ...now.keys(), ...then.keys()])];
  const since = (moment: Date): number => Math.max(0, (moment.getTime() - Date.parse(through)) / 1000);
  return tenants
    .map((tenant): TenantLoss => {
      const shared = { tenant: tenant as TenantId, slug: slugs.get(tenant) ?? null, rows: now.get(tenant)?.rows ?? 0 };
      if (before === null) return { ...shared, lostRows: null, lastWriteAt: null, lostSeconds: since(servedUntil) };
      const mark = then.get(tenant);
      const lastWriteAt = mark?.lastWriteAt ?? null;
      const lostRows = mark?.rowsBetween ?? 0;
      const lostSeconds = lostRows > 0 && lastWriteAt !== null ? since(lastWriteAt) : 0;
      return { ...shared, lostRows, lastWriteAt: lastWriteAt?.toISOString() ?? null, lostSeconds };
    })
    .toSorted((a, b) => (a.slug ?? a.tenant).localeCompare(b.slug ?? b.tenant));
}

/** The recovery point: the most that any tenant loses, in seconds. */
export function recoveryPoint(losses: readonly TenantLoss[]): number {
  return Math.max(0, ...losses.map(({ lostSeconds }) => lostSeconds));
}
