import type { PlanRollout } from "../../common/contracts/rollout-records.ts";
import type { Release } from "../../common/contracts/release.ts";
import type { RolloutPlan } from "../../common/contracts/rollout.ts";
import type { ReleaseName } from "../../common/ids.ts";
import { beforeDeploy } from "../rollout/before.ts";
import { isIntact, planRollout } from "../rollout/plan.ts";
import { policyWith } from "../rollout/policy.ts";
import type { FleetCell } from "../rollout/waves.ts";
import { listCells, type CellRecord } from "../registry/cells.store.ts";
import { maintenanceWindows } from "../registry/maintenance.store.ts";
import { findPlan } from "../registry/plans.store.ts";
import { readingsBetween } from "../registry/readings.store.ts";
import { findRelease, listReleases } from "../registry/releases.store.ts";
import { openRollout } from "../registry/rollouts.store.ts";
import { readSettings } from "../registry/settings.store.ts";
import { countTenants } from "../registry/tenants.store.ts";
import { fail } from "../errors.ts";
import type { ApiContext } from "./context.ts";

/** Planning knows this many of the latest releases. */
const releaseLimit = 1_000;

/** The hour that the power check goes by. */
const trafficMs = 3_600_000;

/**
 * Plans a rollout on what the registry, the cells and the routers' counters say now.
 * @throws whatever planning refuses
 */
export async function planFor({ pool, monitor, clock }: ApiContext, wish: PlanRollout): Promise<RolloutPlan> {
  const now = clock.now();
  const [settings, releases, cells, counts, windows, readings] = await Promise.all([
    readSettings(pool),
    listReleases(pool, releaseLimit),
    listCells(pool),
    countTenants(pool),
    maintenanceWindows(pool),
    readingsBetween(pool, new Date(now - trafficMs), new Date(now)),
  ]);
  const fleet = cells.map((cell): FleetCell => {
    const tenants: Record<string, number> = {};
    for (const { tier, count } of counts.filter((row) => row.cell === cell.id))
      tenants[tier] = (tenants[tier] ?? 0) + count;
    const { id, region, ring, release } = cell;
    return {
      cell: id,
      region,
      ring,
      release,
      schema: monitor.cell(id).status?.schema ?? schemaOf(cell, releases),
      tenants,
      maintenance: windows.get(id) ?? [],
    };
  });
  return planRollout({
    application: settings.application,
    release: wish.release,
    releases,
    cells: fleet,
    policy: policyWith(wish.policy ?? {}),
    traffic: beforeDeploy(readings),
  });
}

/**
 * A stored plan, if it is still true: its release may be rolled out, and every cell runs what the plan says.
 * @throws unknown-plan, plan-outdated, release-quarantined
 */
export async function storedPlan({ pool }: ApiContext, hash: string, release: ReleaseName): Promise<RolloutPlan> {
  const plan = await findPlan(pool, hash);
  if (plan === null || plan.release !== release) throw fail("unknown-plan", `There is no plan ${hash} of ${release}.`);
  if (!isIntact(plan)) throw fail("plan-outdated", "The stored plan is not as it was made.");
  const target = await findRelease(pool, release);
  if (target === null || target.state === "quarantined")
    throw fail("release-quarantined", `${release} is quarantined: ${target?.reason ?? "no reason was kept"}`);
  const cells = new Map((await listCells(pool)).map((cell) => [cell.id, cell.release]));
  const differs = plan.waves.flatMap((wave) => wave.cells).find(({ cell, from }) => cells.get(cell) !== from);
  if (differs !== undefined)
    throw fail(
      "plan-outdated",
      `${differs.cell} runs ${cells.get(differs.cell) ?? "nothing"}, the plan says ${differs.from ?? "nothing"}.`,
    );
  return plan;
}

/** @throws rollout-running where a rollout of the application is open. */
export async function refuseSecond({ pool }: ApiContext, wish: PlanRollout): Promise<void> {
  const [{ application }, known] = await Promise.all([readSettings(pool), findRelease(pool, wish.release)]);
  const open = await openRollout(pool, application);
  if (open !== null && known !== null) throw fail("rollout-running", `${open.id} (${open.release}) is ${open.state}.`);
}

/** Of a cell that was not heard yet: the schema that its release brings. */
function schemaOf(cell: CellRecord, releases: readonly Release[]): { kit: number; app: number } {
  const migrations = releases.find(({ name }) => name === cell.release)?.manifest.migrations ?? [];
  const last = (series: string): number =>
    Math.max(0, ...migrations.filter((migration) => migration.series === series).map(({ number }) => number));
  return { kit: last("kit"), app: last("app") };
}
