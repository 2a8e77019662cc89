import type { StartRollout } from "../../common/contracts/control-plane.ts";
import type { Release } from "../../common/contracts/release.ts";
import type { RolloutPlan } from "../../common/contracts/rollout.ts";
import { planRollout } from "../rollout/plan.ts";
import { policyWith } from "../rollout/policy.ts";
import type { FleetCell } from "../rollout/waves.ts";
import { listCells, type CellRecord } from "../registry/cells.store.ts";
import { listReleases } from "../registry/releases.store.ts";
import { openRollout } from "../registry/rollouts.store.ts";
import { readSettings } from "../registry/settings.store.ts";
import { countTenants } from "../registry/tenants.store.ts";
import { fail } from "../errors.ts";
import type { ApiContext } from "./context.ts";

/** Planning knows this many of the latest releases. */
const releaseLimit = 1_000;

/**
 * Plans a rollout on what the registry and the cells say now.
 * @throws rollout-running, and whatever planning refuses
 */
export async function planFor({ pool, monitor }: ApiContext, wish: StartRollout): Promise<RolloutPlan> {
  const [settings, releases, cells, counts] = await Promise.all([
    readSettings(pool),
    listReleases(pool, releaseLimit),
    listCells(pool),
    countTenants(pool),
  ]);
  const { application } = settings;
  const open = await openRollout(pool, application);
  const isKnown = releases.some(({ name }) => name === wish.release);
  if (open !== null && isKnown) throw fail("rollout-running", `${open.id} (${open.release}) is ${open.state}.`);
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
    };
  });
  return planRollout({
    application,
    release: wish.release,
    releases,
    cells: fleet,
    policy: policyWith(wish.policy ?? {}),
  });
}

/** Of a cell that was not heard yet: the schema that its release brings. */
function schemaOf(cell: CellRecord, releases: readonly Release[]): { kit: number; app: number } {
  const migrations = releases.find(({ name }) => name === cell.release)?.manifest.migrations ?? [];
  const last = (series: string): number =>
    Math.max(0, ...migrations.filter((migration) => migration.series === series).map(({ number }) => number));
  return { kit: last("kit"), app: last("app") };
}
