import { digestOf } from "../../common/canonical.ts";
import type { Release } from "../../common/contracts/release.ts";
import type { PlannedWave, RolloutPlan, RolloutPolicy } from "../../common/contracts/rollout.ts";
import type { ReleaseName } from "../../common/ids.ts";
import { rolloutError } from "./errors.ts";
import { bakeSecondsAfter } from "./policy.ts";
import { heaviest, migrationClassFor, reusedNumber, schemaProblem } from "./schema-range.ts";
import { type FleetCell, wavesOf } from "./waves.ts";

/** What is asked for, and all that planning knows. */
export interface PlanRequest {
  readonly application: string;
  readonly release: ReleaseName;
  /** All stored releases, of whatever application. */
  readonly releases: readonly Release[];
  readonly cells: readonly FleetCell[];
  /** Rings in the order in which they get releases; cells of other rings come last. Usually empty. */
  readonly rings: readonly string[];
  readonly policy: RolloutPolicy;
}

// Copying a release, migrating, starting, switching and draining one cell; a wave's cells are changed side by side.
const expectedDeploySeconds = 20;

/**
 * Plans a rollout. Pure: same input, same plan, same hash.
 * @returns the immutable plan; `hash` is the SHA-256 of the canonical JSON of all the rest.
 * @throws `unknown-release`, `wrong-application`, `release-quarantined`, `schema-out-of-range`, `no-cells`,
 *   `nothing-to-do`, in this order.
 */
export function planRollout(request: PlanRequest): RolloutPlan {
  const target = checkedRelease(request);
  if (request.cells.length === 0) throw rolloutError("no-cells", `${request.application} has no cells`);
  const changing = request.cells.filter((cell) => cell.release !== request.release);
  if (changing.length === 0) throw rolloutError("nothing-to-do", `all cells run ${request.release}`);
  checkSchemas(request, target, changing);

  const { manifest } = target;
  const waves = wavesOf(changing, request.cells.length, request.policy, request.rings).map((cells, n): PlannedWave => ({
    number: n + 1,
    cells: cells.map((cell) => ({
      cell: cell.cell,
      from: cell.release,
      to: request.release,
      tenants: sum(Object.values(customersOf(cell))),
    })),
    bakeSeconds: bakeSecondsAfter(n + 1, request.policy),
    tenantsAtRisk: addUp(cells.map(customersOf)),
  }));
  const plan = {
    application: request.application,
    release: request.release,
    digest: target.digest,
    migrationClass: heaviest(changing.map((cell) => migrationClassFor(manifest.migrations, cell.schema))),
    waves,
    policy: request.policy,
    expectedSeconds: sum(waves.map((wave) => wave.bakeSeconds + expectedDeploySeconds)),
  };
  return { ...plan, hash: digestOf(plan) };
}

/** Whether a plan is as it was made: its hash is that of its content. */
export function isIntact(plan: RolloutPlan): boolean {
  const { hash, ...rest } = plan;
  return digestOf(rest) === hash;
}

function checkedRelease({ application, release, releases }: PlanRequest): Release {
  const target = releases.find(({ name }) => name === release);
  if (target === undefined) throw rolloutError("unknown-release", `there is no release ${release}`);
  if (target.manifest.application !== application) {
    throw rolloutError(
      "wrong-application",
      `${release} is of ${target.manifest.application}, the fleet runs ${application}`,
    );
  }
  if (target.state === "quarantined") {
    throw rolloutError("release-quarantined", `${release} is quarantined: ${target.reason ?? "no reason was kept"}`);
  }
  return target;
}

function checkSchemas({ application, releases }: PlanRequest, target: Release, cells: readonly FleetCell[]): void {
  const { manifest } = target;
  const ofApplication = releases.filter((release) => release.manifest.application === application);
  const known = ofApplication.flatMap((release) => release.manifest.migrations);
  const running = ofApplication.filter(({ name }) => cells.some((cell) => cell.release === name));
  const reused = reusedNumber(
    manifest.migrations,
    running.flatMap((release) => release.manifest.migrations),
  );
  if (reused !== null) {
    const text = `${reused.series} migration ${reused.number} is another one in the release that runs`;
    throw rolloutError("schema-out-of-range", text);
  }
  for (const cell of cells) {
    const problem = schemaProblem(manifest, cell.schema, known);
    if (problem !== null) throw rolloutError("schema-out-of-range", `${cell.cell}: ${problem}`);
  }
}

function customersOf(cell: FleetCell): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(cell.tenants).filter(([tier, count]) => tier !== "synthetic" && count > 0));
}

function addUp(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const totals: Record<string, number> = {};
  for (const [tier, count] of counts.flatMap(Object.entries<number>)) totals[tier] = (totals[tier] ?? 0) + count;
  return totals;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
