import type { RolloutPolicy } from "../../common/contracts/rollout.ts";
import type { CellId, ReleaseName } from "../../common/ids.ts";
import type { SchemaVersion } from "./schema-range.ts";

/** A cell as planning sees it. */
export interface FleetCell {
  readonly cell: CellId;
  readonly region: string;
  /** Release ring; see `PlanRequest.rings`. */
  readonly ring: string;
  /** What its live slot runs; null for nothing yet. */
  readonly release: ReleaseName | null;
  readonly schema: SchemaVersion;
  /** Its customers by tier; synthetic tenants are left out of every count. */
  readonly tenants: Readonly<Record<string, number>>;
}

// One enterprise tenant weighs as much as a hundred free ones: what a canary puts at risk, not how many names.
const tierWeights: Readonly<Record<string, number>> = { enterprise: 100, pro: 10, free: 1, synthetic: 0 };

/**
 * Splits cells into waves: the canaries, then cumulative shares of the fleet, then the rest. Waves that would be empty
 * (a tenth of three cells) are left out. Within the order of rings, the cells with the fewest and lowest-tier tenants
 * come first, alternating over regions, so that no wave takes a whole region while another is untouched.
 * @param fleetSize cells the shares are of: all, also those that need no change.
 */
export function wavesOf(
  cells: readonly FleetCell[],
  fleetSize: number,
  policy: RolloutPolicy,
  rings: readonly string[],
): readonly (readonly FleetCell[])[] {
  const ordered = inOrder(cells, rings);
  const ends = [
    policy.canaryCells,
    ...policy.percentages.map((share) => Math.ceil((share / 100) * fleetSize)),
    ordered.length,
  ];
  const waves: FleetCell[][] = [];
  let done = 0;
  for (const end of ends) {
    const wave = ordered.slice(done, end);
    if (wave.length === 0) continue;
    waves.push(wave);
    done += wave.length;
  }
  return waves;
}

/** What is lost if the cell fails, in free tenants. */
export function riskOf(cell: FleetCell): number {
  return Object.entries(cell.tenants).reduce((sum, [tier, count]) => sum + count * (tierWeights[tier] ?? 1), 0);
}

function inOrder(cells: readonly FleetCell[], rings: readonly string[]): readonly FleetCell[] {
  const byRing = Map.groupBy(cells, (cell) => ringRank(cell.ring, rings));
  return [...byRing.keys()]
    .toSorted((a, b) => a - b)
    .flatMap((rank) => alternateRegions((byRing.get(rank) ?? []).toSorted(byRisk)));
}

function byRisk(a: FleetCell, b: FleetCell): number {
  return riskOf(a) - riskOf(b) || (a.cell < b.cell ? -1 : 1);
}

/** Takes the first cell of each region, then the second of each, and so on; regions in the order of their first cell. */
function alternateRegions(sorted: readonly FleetCell[]): readonly FleetCell[] {
  const regions = [...Map.groupBy(sorted, (cell) => cell.region).values()];
  const longest = Math.max(0, ...regions.map((region) => region.length));
  return Array.from({ length: longest }, (_, n) => regions.flatMap((region) => region[n] ?? [])).flat();
}

function ringRank(ring: string, rings: readonly string[]): number {
  const rank = rings.indexOf(ring);
  return rank === -1 ? rings.length : rank;
}
