import type { RolloutPlan } from "../../common/contracts/rollout.ts";
import type { CellId, ReleaseName } from "../../common/ids.ts";

/** A cell that the fleet has now. */
export interface Member {
  readonly cell: CellId;
  readonly release: ReleaseName | null;
}

/** How the fleet differs from what the plan knows. */
export interface MembershipChange {
  /** Planned cells that are gone: they are skipped. */
  readonly gone: readonly CellId[];
  /** Cells that came or came back since, not on the release yet: they get it after the last wave. */
  readonly joining: readonly Member[];
}

/**
 * Compares the fleet with a plan. Cells that are new, restored or back run the fleet's current release, that of the last completed rollout, so
 * that no cell ever gets one in bake by the way.
 * @param settled cells that this rollout has brought to the release already, in whatever wave.
 */
export function membershipChange(
  plan: Pick<RolloutPlan, "waves" | "release">,
  members: readonly Member[],
  settled: readonly CellId[],
): MembershipChange {
  const planned = plan.waves.flatMap(({ cells }) => cells.map(({ cell }) => cell));
  const there = new Set(members.map(({ cell }) => cell));
  const gone = planned.filter((cell) => !there.has(cell));
  const joining = members.filter(({ cell, release }) => {
    if (release === plan.release) return false;
    // A planned cell that was brought to the release and has another one now was restored meanwhile.
    return !planned.includes(cell) || settled.includes(cell);
  });
  return { gone, joining };
}

/**
 * What becomes of cells outside the plan when the release is quarantined: nobody catches up any more, and who has it goes back.
 */
export function afterQuarantine(
  plan: Pick<RolloutPlan, "release">,
  joining: readonly Member[],
): { readonly cancelled: readonly CellId[]; readonly back: readonly CellId[] } {
  const has = (member: Member): boolean => member.release === plan.release;
  return {
    cancelled: joining.filter((member) => !has(member)).map(({ cell }) => cell),
    back: joining.filter(has).map(({ cell }) => cell),
  };
}
