import type { PlannedWave, RolloutPlan } from "../../common/contracts/rollout.ts";
import { askForApproval, needsApproval } from "./approvals.ts";
import { exposableAt, mostExposed, type Exposure } from "./blast-radius.ts";
import { opensAt } from "./calendar.ts";
import type { RolloutEvent, RolloutProgress } from "./progress.ts";

/** A window that does not come in two weeks is looked for again after a day: calendars change. */
const lookAgainMs = 86_400_000;

export type PlannedCell = PlannedWave["cells"][number];

/**
 * What a wave has to wait for before its next cells are begun: people's approval, the blast radius, the end of a freeze, a maintenance window of any
 * of its cells, in this order; null for nothing. A person may have forced the wave, which skips all but the approval.
 * @param pending its cells that are not done.
 * @param untouched whether none of them was begun: what is exposed already is not held back.
 * @param now milliseconds since 1970.
 */
export function holdBack(
  plan: Pick<RolloutPlan, "policy" | "waves" | "customers">,
  progress: Pick<RolloutProgress, "wave" | "approvedWaves" | "forcedWaves">,
  pending: readonly PlannedCell[],
  untouched: boolean,
  exposed: readonly Exposure[],
  now: number,
): RolloutEvent | null {
  const { policy } = plan;
  const wave = progress.wave ?? 1;
  const { approvals } = policy;
  if (untouched && approvals !== undefined && needsApproval(approvals, wave) && !progress.approvedWaves.includes(wave))
    return { kind: "asks", approvals: askForApproval(approvals, wave, now) };

  if (progress.forcedWaves.includes(wave)) return null;

  const waits = (until: number, reason: string): RolloutEvent => ({ kind: "waits", for: "window", until, reason });
  if (untouched) {
    const tenants = pending.reduce((sum, cell) => sum + cell.tenants, 0);
    const at = exposableAt(now, tenants, exposed, mostExposed(policy.blastRadius, customersOf(plan)), policy.timeScale);
    if (at > now) return waits(at, `${tenants} more customers would exceed the blast radius of this hour`);
  }
  const openings = pending.map((cell) => opensAt(now, policy.freezes ?? [], cell.maintenance ?? []));
  if (openings.length === 0 || openings.includes(now)) return null;
  const earliest = Math.min(...openings.map((opening) => opening ?? Infinity));
  return earliest === Infinity
    ? waits(now + lookAgainMs, "no window opens within two weeks")
    : waits(earliest, `no cell may be changed before ${new Date(earliest).toISOString()}`);
}

/** The cells among `pending` that may be begun now. */
export function openCells(
  policy: RolloutPlan["policy"],
  pending: readonly PlannedCell[],
  isForced: boolean,
  now: number,
): readonly PlannedCell[] {
  if (isForced) return pending;
  return pending.filter((cell) => opensAt(now, policy.freezes ?? [], cell.maintenance ?? []) === now);
}

function customersOf(plan: Pick<RolloutPlan, "waves" | "customers">): number {
  return plan.customers ?? plan.waves.flatMap(({ cells }) => cells).reduce((sum, cell) => sum + cell.tenants, 0);
}
