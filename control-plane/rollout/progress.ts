import {
  type CommandInput,
  finalRolloutStates,
  type RolloutState,
  type Verdict,
  type WaitReason,
} from "../../common/contracts/rollout.ts";

/**
 * Where a rollout stands. A plain value: the workflow holds one, changes it only by `advance` and `obey`, and tells it
 * to the registry after each change.
 *
 *   planned       nothing touched                     → deploying (began), waiting, halted, rolling-back, cancelled
 *   deploying     cells of `wave` are being changed   → verifying (wave-deployed), waiting, rolling-back or halted (wave-failed)
 *   verifying     all switched, hard checks only      → baking (wave-verified), rolling-back or halted (judged FAIL)
 *   baking        timed observation                   → deploying of the next wave or completed (judged PASS),
 *                                                       waiting for a decision (INCONCLUSIVE), rolling-back or halted (FAIL)
 *   waiting       for what `waitingFor` says          → planned or deploying (wait-over); waiting for a decision goes on as baking does
 *   halted        frozen in place                     → where it was (resume), rolling-back, cancelled
 *   rolling-back  undoing what was changed            → rolled-back, rollback-failed; nothing else stops it
 *   rolled-back, rollback-failed, completed, cancelled: final
 *
 * `paused` is a flag beside the state: nothing new is begun, judging goes on.
 * While cells are in mid-change (deploying), halt, roll-back and cancel are kept in `ending` and take effect when the
 * wave's cells have settled, because a cell is never left half-way.
 */
export interface RolloutProgress {
  readonly state: RolloutState;
  readonly waitingFor: WaitReason | null;
  readonly paused: boolean;
  /** The wave at hand, from 1; null before the first. */
  readonly wave: number | null;
  readonly waves: number;
  readonly planHash: string;
  /** False where the release's migrations took away what the previous release needs. */
  readonly reversible: boolean;
  readonly reason: string | null;
  /** Rises with each change. */
  readonly revision: number;
  readonly ending: Ending | null;
  /** Where a resume goes on; null where a failed gate forbids going on. */
  readonly goOn: GoOn | null;
}

export type Ending = "halted" | "rolling-back" | "cancelled";

/** What was interrupted by a halt. */
export interface GoOn {
  readonly state: "planned" | "deploying" | "verifying" | "baking" | "waiting";
  readonly waitingFor: WaitReason | null;
}

/** What the workflow learned. */
export type RolloutEvent =
  | { readonly kind: "began" }
  | { readonly kind: "wave-deployed" }
  /** A cell of the wave could not be brought to the release. Sent when all its cells have settled. */
  | { readonly kind: "wave-failed"; readonly reason: string }
  | { readonly kind: "wave-verified" }
  | { readonly kind: "judged"; readonly verdict: Verdict }
  | { readonly kind: "waits"; readonly for: Exclude<WaitReason, "decision"> }
  | { readonly kind: "wait-over" }
  | { readonly kind: "rolled-back" }
  | { readonly kind: "rollback-failed"; readonly reason: string };

export type RolloutCommandInput = Pick<CommandInput, "command" | "reason" | "planHash" | "revision">;

export function isFinal(state: RolloutState): boolean {
  return (finalRolloutStates as readonly RolloutState[]).includes(state);
}

/** A rollout of which nothing has happened yet. */
export function plannedProgress(plan: {
  readonly hash: string;
  readonly waves: readonly unknown[];
  readonly migrationClass: string | null;
}): RolloutProgress {
  return {
    state: "planned",
    waitingFor: null,
    paused: false,
    wave: null,
    waves: plan.waves.length,
    planHash: plan.hash,
    reversible: plan.migrationClass === null || plan.migrationClass === "expand",
    reason: null,
    revision: 1,
    ending: null,
    goOn: null,
  };
}
