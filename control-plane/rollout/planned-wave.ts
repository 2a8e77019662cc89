import type { PlannedPower, PlannedWave } from "../../common/contracts/rollout.ts";
import type { JudgingPolicy, RolloutPolicy } from "../../common/contracts/rollout-policy.ts";
import { exposableAt, mostExposed, type Exposure } from "./blast-radius.ts";
import { judgingOf } from "./judging.ts";
import type { PlanRequest } from "./plan-request.ts";
import { bakeSecondsAfter, usualCellsAtOnce } from "./policy.ts";
import { powerOf, sum, syntheticLoad, type KnownTraffic } from "./power.ts";
import { customersIn, type FleetCell } from "./waves.ts";

// Copying a release, migrating, starting, switching and draining one cell.
const cellSeconds = 20;

/** A wave as the plan has it; `later` are the cells of the waves after it. */
export function plannedWave(
  wave: readonly FleetCell[],
  later: readonly FleetCell[],
  number: number,
  startsAfterSeconds: number,
  { release, policy, traffic }: PlanRequest,
): PlannedWave {
  const bakeSeconds = bakeSecondsAfter(number, policy);
  return {
    number,
    cells: wave.map((cell) => ({
      cell: cell.cell,
      from: cell.release,
      to: release,
      tenants: customersIn(cell),
      ...(cell.maintenance === undefined || cell.maintenance.length === 0
        ? {}
        : { maintenance: [...cell.maintenance] }),
    })),
    bakeSeconds,
    tenantsAtRisk: addUp(wave.map(customersOf)),
    startsAfterSeconds,
    power: powerIn(wave, later, bakeSeconds, judgingOf(policy), traffic ?? []),
  };
}

/** Which cells of a wave can be compared with those that come later, and the load that stands in at the others. */
function powerIn(
  wave: readonly FleetCell[],
  later: readonly FleetCell[],
  bakeSeconds: number,
  judging: JudgingPolicy,
  traffic: readonly KnownTraffic[],
): PlannedPower[] {
  const controls = later.map(({ cell }) => cell);
  const powers = wave.map(({ cell }) => ({
    cell,
    ...powerOf(cell, traffic, controls, bakeSeconds, wave.length, judging),
  }));
  const load = syntheticLoad(powers.filter(({ comparable }) => !comparable).length, judging);
  return powers.map(({ requestsPerSecond, comparable, ...power }) => ({
    ...power,
    comparable,
    requestsPerSecond: Math.round(requestsPerSecond * 100) / 100,
    syntheticPerSecond: comparable ? 0 : load,
  }));
}

/** When each wave begins at the earliest, in seconds: after the one before, and within the blast radius. */
export function startsOf(waves: readonly (readonly FleetCell[])[], { cells, policy }: PlanRequest): readonly number[] {
  const most = mostExposed(policy.blastRadius, sum(cells.map(customersIn)));
  const past: Exposure[] = [];
  const starts: number[] = [];
  let free = 0;
  for (const [n, wave] of waves.entries()) {
    const tenants = sum(wave.map(customersIn));
    const at = exposableAt(free * 1_000, tenants, past, most, policy.timeScale);
    past.push({ at, tenants });
    starts.push(at / 1_000);
    free = at / 1_000 + waveSeconds(wave, n + 1, policy);
  }
  return starts;
}

/** How long a wave takes: its cells, so many at once, and its bake. */
export function waveSeconds(wave: readonly FleetCell[], number: number, policy: RolloutPolicy): number {
  const rounds = Math.ceil(wave.length / (policy.cellsAtOnce ?? usualCellsAtOnce));
  return rounds * cellSeconds + bakeSecondsAfter(number, policy);
}

function customersOf(cell: FleetCell): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(cell.tenants).filter(([tier, count]) => tier !== "synthetic" && count > 0));
}

function addUp(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const totals: Record<string, number> = {};
  for (const [tier, count] of counts.flatMap(Object.entries<number>)) totals[tier] = (totals[tier] ?? 0) + count;
  return totals;
}
