import type { CalendarWindow } from "../../common/contracts/calendar.ts";
import type { RolloutPolicy } from "../../common/contracts/rollout-policy.ts";
import type { CellId, ReleaseName } from "../../common/ids.ts";
import { mostExposed } from "./blast-radius.ts";
import type { SchemaVersion } from "./schema-range.ts";

/** A cell as planning sees it. */
export interface FleetCell {
  readonly cell: CellId;
  readonly region: string;
  /** Release ring; see `RolloutPolicy.rings`. */
  readonly ring: string;
  /** What its live slot runs; null for nothing yet. */
  readonly release: ReleaseName | null;
  readonly schema: SchemaVersion;
  /** Its customers by tier; synthetic tenants are left out of every count. */
  readonly tenants: Readonly<Record<string, number>>;
  /** It is changed within these only; always where there are none. */
  readonly maintenance?: readonly CalendarWindow[];
}

// One enterprise tenant weighs as much as a hundred free ones: what a canary puts at risk, not how many names.
const tierWeights: Readonly<Record<string, number>> = { enterprise: 100, pro: 10, free: 1, synthetic: 0 };

/**
 * Splits cells into waves: the canaries, then cumulative shares of the fleet, then the rest; each again where it passes a cap on cells, on cells of one
 * region, on customers, or, ring by ring, holds more than one ring. Waves that would be empty (a tenth of three cells) are left out.
 * Within the order of rings, the cells with the fewest and lowest-tier tenants come first, alternating over regions, so that no wave takes a
 * whole region while another is untouched.
 * @param fleet all cells, of which the shares are, also those that need no change.
 */
export function wavesOf(
  cells: readonly FleetCell[],
  fleet: readonly FleetCell[],
  policy: RolloutPolicy,
): readonly (readonly FleetCell[])[] {
  const ordered = inOrder(cells, policy.rings ?? []);
  const ends = [
    policy.canaryCells,
    ...policy.percentages.map((share) => Math.ceil((share / 100) * fleet.length)),
    ordered.length,
  ];
  const customers = fleet.reduce((sum, cell) => sum + customersIn(cell), 0);
  const most = mostExposed(policy.blastRadius, customers);
  const waves: (readonly FleetCell[])[] = [];
  let done = 0;
  for (const end of ends) {
    const share = ordered.slice(done, end);
    waves.push(...capped(share, policy, most));
    done += share.length;
  }
  return waves;
}

/** What is lost if the cell fails, in free tenants. */
export function riskOf(cell: FleetCell): number {
  return Object.entries(cell.tenants).reduce((sum, [tier, count]) => sum + count * (tierWeights[tier] ?? 1), 0);
}

export function customersIn(cell: FleetCell): number {
  return Object.entries(cell.tenants).reduce((sum, [tier, count]) => (tier === "synthetic" ? sum : sum + count), 0);
}

/** Each cell goes into the first wave that has room for it. */
function capped(
  cells: readonly FleetCell[],
  policy: RolloutPolicy,
  mostCustomers: number,
): readonly (readonly FleetCell[])[] {
  const { maxWaveCells = Infinity, maxRegionCells = Infinity, ringByRing = false } = policy;
  const hasRoom = (wave: readonly FleetCell[], cell: FleetCell): boolean =>
    wave.length < maxWaveCells &&
    wave.filter(({ region }) => region === cell.region).length < maxRegionCells &&
    (!ringByRing || wave.every(({ ring }) => ring === cell.ring)) &&
    wave.reduce((sum, one) => sum + customersIn(one), customersIn(cell)) <= mostCustomers;
  const waves: FleetCell[][] = [];
  for (const cell of cells) {
    const room = waves.find((wave) => hasRoom(wave, cell));
    if (room === undefined) waves.push([cell]);
    else room.push(cell);
  }
  return waves;
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
