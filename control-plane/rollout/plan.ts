import { digestOf } from "../../common/canonical.ts";
import type { MigrationClass, Release } from "../../common/contracts/release.ts";
import type { RolloutKind, RolloutPlan } from "../../common/contracts/rollout.ts";
import { mostExposed } from "./blast-radius.ts";
import { rolloutError } from "./errors.ts";
import type { PlanRequest } from "./plan-request.ts";
import { plannedWave, startsOf, waveSeconds } from "./planned-wave.ts";
import { sum } from "./power.ts";
import { heaviest, migrationClassFor, reusedNumber, schemaProblem } from "./schema-range.ts";
import { customersIn, type FleetCell, wavesOf } from "./waves.ts";

/**
 * Plans a rollout. Pure: same input, same plan, same hash.
 * @returns the immutable plan; `hash` is the SHA-256 of the canonical JSON of all the rest.
 * @throws `unknown-release`, `wrong-application`, `release-quarantined`, `no-cells`, `nothing-to-do`, `schema-out-of-range`,
 *   `budget-too-small`, in this order.
 */
export function planRollout(request: PlanRequest): RolloutPlan {
  const { application, release, policy } = request;
  const target = checkedRelease(request);
  if (request.cells.length === 0) throw rolloutError("no-cells", `${application} has no cells`);
  const changing = request.cells.filter((cell) => cell.release !== release);
  if (changing.length === 0) throw rolloutError("nothing-to-do", `all cells run ${release}`);
  checkSchemas(request, target, changing);
  checkBudget(request, changing);

  const cells = wavesOf(changing, request.cells, policy);
  const starts = startsOf(cells, request);
  const waves = cells.map((wave, n) => plannedWave(wave, cells.slice(n + 1).flat(), n + 1, starts[n] ?? 0, request));
  const migrationClass = heaviest(changing.map((cell) => migrationClassFor(target.manifest.migrations, cell.schema)));
  const plan = {
    application,
    kind: kindOf(target, migrationClass, changing, request.releases),
    release,
    digest: target.digest,
    migrationClass,
    waves,
    policy,
    customers: sum(request.cells.map(customersIn)),
    expectedSeconds: (starts.at(-1) ?? 0) + waveSeconds(cells.at(-1) ?? [], cells.length, policy),
  };
  return { ...plan, hash: digestOf(plan) };
}

/** What the release brings: only other values, a step that takes something away, or a new application. */
function kindOf(
  target: Release,
  migrationClass: MigrationClass | null,
  changing: readonly FleetCell[],
  releases: readonly Release[],
): RolloutKind {
  if (migrationClass === "contract" || migrationClass === "irreversible") return "migration-contract";
  const content = ({ manifest }: Release): string => {
    const { name: _name, version: _version, configuration: _configuration, ...rest } = manifest;
    return digestOf(rest);
  };
  const onlyConfigured = changing.every(({ release }) => {
    const from = releases.find(({ name }) => name === release);
    return from !== undefined && content(from) === content(target);
  });
  return onlyConfigured ? "configuration" : "application";
}

function checkBudget({ cells, policy }: PlanRequest, changing: readonly FleetCell[]): void {
  const most = mostExposed(policy.blastRadius, sum(cells.map(customersIn)));
  const over = changing.find((cell) => customersIn(cell) > most);
  if (over === undefined) return;
  const text = `${over.cell} has ${customersIn(over)} customers, within an hour ${most} may be exposed`;
  throw rolloutError("budget-too-small", text);
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
