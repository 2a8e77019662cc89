import type { CustomerTier } from "../../common/contracts/control-plane.ts";
import type { CellId, TenantId } from "../../common/ids.ts";
import type { Decision } from "../placement/decision.ts";
import type { CellSupply, TenantDemand } from "../placement/demand.ts";
import { NoCellFits } from "../placement/errors.ts";
import { place } from "../placement/place.ts";
import { defaultPolicy, demandOfTier } from "../placement/policy.ts";
import type { Strategy } from "../placement/policy.ts";
import type { CellRecord } from "./cells.store.ts";

/** What a customer asks for, as placement sees it. */
export function demandOf(tenant: TenantId, tier: CustomerTier, region: string | null): TenantDemand {
  return {
    tenant,
    tier,
    demand: demandOfTier[tier],
    residency: region === null ? [] : [region],
    home: region,
    ring: null,
    antiAffinity: [],
  };
}

/** A cell as placement sees it. */
export function supplyOf(cell: CellRecord): CellSupply {
  const { id, region, tiers, ring, cordoned, capacity, used } = cell;
  return { cell: id, region, tiers, ring, cordoned, capacity, used, labels: [], dedicatedTo: null };
}

/**
 * Places a tenant, away from cells that do not answer where another fits: they are set aside as if cordoned. Where none other
 * fits the tenant goes to such a cell all the same, and is served when that is back.
 * @throws NoCellFits
 */
export function placeAwayFromDown(
  demand: TenantDemand,
  cells: readonly CellRecord[],
  down: ReadonlySet<CellId>,
  strategy: Strategy = defaultPolicy.strategy,
): Decision {
  const policy = { ...defaultPolicy, strategy };
  const supplies = cells.map(supplyOf);
  const answering = supplies.map((cell) => (down.has(cell.cell) ? { ...cell, cordoned: true } : cell));
  try {
    const decision = place(demand, answering, policy);
    return { ...decision, candidates: decision.candidates.map((candidate) => sayDown(candidate, cells, down)) };
  } catch (error) {
    if (!(error instanceof NoCellFits) || down.size === 0) throw error;
    return place(demand, supplies, policy);
  }
}

function sayDown(
  candidate: Decision["candidates"][number],
  cells: readonly CellRecord[],
  down: ReadonlySet<CellId>,
): Decision["candidates"][number] {
  const reallyCordoned = cells.some(({ id, cordoned }) => id === candidate.cell && cordoned);
  if (
    candidate.kind !== "excluded" ||
    candidate.exclusion !== "cordoned" ||
    reallyCordoned ||
    !down.has(candidate.cell)
  )
    return candidate;
  return { ...candidate, text: "does not answer now: set aside as if cordoned" };
}
