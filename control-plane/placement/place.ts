import { dominantDimension, dominantUtilisation } from "./capacity.ts";
import { exclusionOf, exclusionText } from "./constraints.ts";
import type { Candidate, Decision } from "./decision.ts";
import type { CellSupply, TenantDemand } from "./demand.ts";
import { NoCellFits } from "./errors.ts";
import type { PlacementPolicy } from "./policy.ts";
import { scoreOf } from "./score.ts";

/**
 * Chooses the cell for a tenant. Pure: same input, same answer, whatever the order of the cells.
 * @returns the decision with every candidate's score, best first, so that "why here?" has an answer.
 * @throws NoCellFits when no cell satisfies the constraints; it carries the exclusions.
 */
export function place(tenant: TenantDemand, cells: readonly CellSupply[], policy: PlacementPolicy): Decision {
  const best = chooseCell(tenant, cells, policy);
  const byPreference = cells.toSorted((a, b) => compare(tenant, a, b, policy));
  const candidates = byPreference.map((cell) => candidateOf(tenant, cell, policy));
  if (best === null) throw new NoCellFits(candidates);
  return { tenant: tenant.tenant, cell: best.cell, strategy: policy.strategy, candidates };
}

/**
 * The same choice without its explanation: one pass, nothing allocated. For placing many tenants at once.
 * @returns null when no cell fits.
 */
export function chooseCell<Cell extends CellSupply>(
  tenant: TenantDemand,
  cells: readonly Cell[],
  policy: PlacementPolicy,
): Cell | null {
  let best: Cell | null = null;
  let bestScore = Infinity;
  for (const cell of cells) {
    if (exclusionOf(tenant, cell, policy) !== null) continue;
    const score = scoreOf(tenant, cell, policy);
    if (best === null || score < bestScore || (score === bestScore && isBefore(cell, best))) {
      best = cell;
      bestScore = score;
    }
  }
  return best;
}

/** Among equals the one with fewer tenants, then by name: so an empty fleet fills evenly, and always alike. */
function isBefore(a: CellSupply, b: CellSupply): boolean {
  if (a.used.tenants !== b.used.tenants) return a.used.tenants < b.used.tenants;
  return a.cell < b.cell;
}

function compare(tenant: TenantDemand, a: CellSupply, b: CellSupply, policy: PlacementPolicy): number {
  const excluded = Number(exclusionOf(tenant, a, policy) !== null) - Number(exclusionOf(tenant, b, policy) !== null);
  if (excluded !== 0) return excluded;
  if (exclusionOf(tenant, a, policy) !== null) return a.cell < b.cell ? -1 : 1;
  const [scoreA, scoreB] = [scoreOf(tenant, a, policy), scoreOf(tenant, b, policy)];
  if (scoreA !== scoreB) return scoreA - scoreB;
  return isBefore(a, b) ? -1 : 1;
}

function candidateOf(tenant: TenantDemand, cell: CellSupply, policy: PlacementPolicy): Candidate {
  const exclusion = exclusionOf(tenant, cell, policy);
  if (exclusion !== null) {
    return { kind: "excluded", cell: cell.cell, exclusion, text: exclusionText(exclusion, tenant, cell) };
  }
  return {
    kind: "fits",
    cell: cell.cell,
    score: scoreOf(tenant, cell, policy),
    utilisation: dominantUtilisation(cell.capacity, cell.used, tenant.demand, policy.headroom),
    dimension: dominantDimension(cell.capacity, cell.used, tenant.demand, policy.headroom),
  };
}
