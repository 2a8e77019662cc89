import Type, { type Static } from "typebox";
import { EpochSchema, TenantIdSchema, oneOf } from "../../common/contracts/ids.ts";
import { leaseStates } from "../../common/contracts/lease.ts";
import type { LifePlan } from "../../common/contracts/restores.ts";
import type { CellId, TenantId } from "../../common/ids.ts";

/** Of a cell's lease what a decision needs. Other fields are let pass: the cell's kit may be one release newer or older than we are. */
export const HeldLease = Type.Object({
  tenant: TenantIdSchema,
  state: oneOf(leaseStates),
  epoch: EpochSchema,
  slug: Type.String(),
  /** The life it belongs to; kits before this one do not say. */
  incarnation: Type.Optional(Type.String()),
});
export type HeldLease = Static<typeof HeldLease>;

/** Where the registry has a tenant. */
export interface Placement {
  readonly tenant: TenantId;
  readonly cell: CellId;
  readonly epoch: number;
}

export interface ConfirmationInput {
  /** The cell whose database began another life. */
  readonly cell: CellId;
  /** The new life, as the cell's incarnation file names it. */
  readonly incarnation: string;
  /** All of its leases, as the restored database has them. */
  readonly leases: readonly HeldLease[];
  /** What every other cell holds; null for one that does not answer. */
  readonly others: ReadonlyMap<CellId, readonly HeldLease[] | null>;
  /** Cells that a move under way may have given tenants of this cell to: they share its claim. */
  readonly partners: ReadonlySet<CellId>;
  /** Placements of the tenants that it has leases of, and of those that are placed in it. */
  readonly placements: readonly Placement[];
}

export type Confirmation =
  /** A move under way may have given a tenant to these cells, and they do not answer: nothing can be said yet. */
  { readonly kind: "waits"; readonly for: readonly CellId[] } | { readonly kind: "decided"; readonly plan: LifePlan };

/**
 * Decides about the leases of a restored cell. Pure. Confirmed is what no other cell holds and the registry has placed there, one epoch above every epoch that
 * anybody knows of it; everything else is dropped. A tenant that is placed there and has no lease (it came after the backup) gets one anew, and begins
 * empty. A tenant that another cell owns is placed where it is.
 */
export function decideLeases(input: ConfirmationInput): Confirmation {
  const silent = [...input.partners].filter((cell) => cell !== input.cell && input.others.get(cell) === null);
  if (silent.length > 0) return { kind: "waits", for: silent };
  const elsewhere = leasesElsewhere(input);
  const placements = new Map(input.placements.map((placement) => [placement.tenant, placement]));
  const plan: Writable<LifePlan> = { confirmed: [], dropped: [], granted: [], followed: [] };

  for (const lease of input.leases) {
    if (lease.state === "released" || lease.incarnation === input.incarnation) continue;
    const placement = placements.get(lease.tenant);
    const why = reasonToDrop(lease, placement, elsewhere.get(lease.tenant) ?? [], input);
    if (why !== null) plan.dropped.push({ tenant: lease.tenant, slug: lease.slug, why });
    else
      plan.confirmed.push({
        tenant: lease.tenant,
        slug: lease.slug,
        epoch: 1 + highestEpoch(lease, placement, elsewhere.get(lease.tenant)),
      });
  }
  const leased = new Set(input.leases.map(({ tenant }) => tenant));
  for (const { tenant, cell, epoch } of input.placements) {
    const holders = elsewhere.get(tenant) ?? [];
    const owner = holders.find(({ lease }) => lease.state === "active" || lease.state === "frozen");
    if (cell === input.cell && owner !== undefined)
      plan.followed.push({ tenant, cell: owner.cell, epoch: owner.lease.epoch });
    else if (cell === input.cell && !leased.has(tenant) && holders.every(({ lease }) => lease.state === "released"))
      plan.granted.push({ tenant, epoch: 1 + Math.max(epoch, ...holders.map(({ lease }) => lease.epoch)) });
  }
  return { kind: "decided", plan };
}

type Writable<Type> = { -readonly [Key in keyof Type]: Type[Key] };

interface Holding {
  readonly cell: CellId;
  readonly lease: HeldLease;
}

function leasesElsewhere({ cell, others }: ConfirmationInput): Map<TenantId, Holding[]> {
  const found = new Map<TenantId, Holding[]>();
  for (const [other, leases] of others) {
    if (other === cell) continue;
    for (const lease of leases ?? [])
      found.set(lease.tenant, [...(found.get(lease.tenant) ?? []), { cell: other, lease }]);
  }
  return found;
}

/** Why this cell may not go on with the tenant; null where it may. */
function reasonToDrop(
  lease: HeldLease,
  placement: Placement | undefined,
  holders: readonly Holding[],
  { cell, others }: ConfirmationInput,
): string | null {
  const holder = holders.find((holding) => holding.lease.state !== "released");
  if (holder !== undefined) return `${holder.cell} holds it (${holder.lease.state}, epoch ${holder.lease.epoch})`;
  if (lease.state === "importing") return "its rows had not all come when the backup was made";
  if (placement === undefined) return "the registry has no such tenant";
  if (placement.cell === cell) return null;
  return (others.get(placement.cell) ?? null) === null
    ? `it is placed in ${placement.cell}, which cannot be asked`
    : `it is placed in ${placement.cell}`;
}

function highestEpoch(lease: HeldLease, placement: Placement | undefined, holders: readonly Holding[] = []): number {
  return Math.max(lease.epoch, placement?.epoch ?? 0, ...holders.map((holding) => holding.lease.epoch));
}
