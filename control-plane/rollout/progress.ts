import {
  type CommandInput,
  type OverrideVerdict,
  type RolloutInput,
  finalRolloutStates,
  type RolloutState,
  type Verdict,
  type WaitReason,
} from "../../common/contracts/rollout.ts";
import type { ApprovalPolicy } from "../../common/contracts/rollout-policy.ts";
import type { Approvals } from "./approvals.ts";

/**
 * Where a rollout stands. A plain value: the workflow holds one, changes it only by `advance` and `obey`, and tells it
 * to the registry after each change.
 *
 *   planned       nothing touched                     → deploying (began), waiting, halted, rolling-back, cancelled
 *   deploying     cells of `wave` are being changed   → verifying (wave-deployed), waiting, rolling-back or halted (wave-failed),
 *                                                       deploying of the next wave or completed (wave-empty)
 *   verifying     all switched, hard checks only      → baking (wave-verified), rolling-back or halted (judged FAIL)
 *   baking        timed observation                   → deploying of the next wave or completed (judged PASS),
 *                                                       waiting for a decision (INCONCLUSIVE), rolling-back or halted (FAIL)
 *   waiting       for what `waitingFor` says          → planned or deploying (wait-over, enough approvals); halted or cancelled (rejected);
 *                                                       a decision is waited for as baking goes on; after a bad wave, rolling-back (decision-expired)
 *   halted        frozen in place                     → where it was (resume), rolling-back, cancelled
 *   rolling-back  undoing what was changed            → rolled-back, rollback-failed; nothing else stops it. Of a bad wave after the first: that
 *                                                       wave alone, then waiting for a decision (wave-rolled-back), or all (earlier-failed)
 *   rolled-back, rollback-failed, completed, cancelled: final
 *
 * `paused` is a flag beside the state: nothing new is begun, judging goes on. `stopped` is the same, set for all rollouts by who stops the line.
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
  /** The revision of the last change of state, or command: whoever looked before that has seen another state. */
  readonly since: number;
  /** The revision at which the state was entered. */
  readonly entered: number;
  readonly ending: Ending | null;
  /** Where a resume goes on; null where a failed gate forbids going on. */
  readonly goOn: GoOn | null;
  /** Whether a bad wave after the first goes back alone, and the earlier ones are judged again; rollouts that began before there was that undo all. */
  readonly waveByWave: boolean;
  /** What a roll-back that is under way undoes. */
  readonly undoing: "wave" | "all";
  /** A gate has failed: nothing goes forward any more. */
  readonly failed: boolean;
  /** When a wait is over by itself, in milliseconds since 1970; null where only a person ends it. */
  readonly waitUntil: number | null;
  readonly requestedBy: string;
  readonly approvalPolicy: ApprovalPolicy | null;
  /** What has been said so far where approval is waited for. */
  readonly approvals: Approvals | null;
  /** Waves that people have approved. */
  readonly approvedWaves: readonly number[];
  /** Waves that a person has begun in spite of windows and blast radius. */
  readonly forcedWaves: readonly number[];
  /** The line is stopped. */
  readonly stopped: boolean;
  /** Of the bake at hand: what was added to it, in seconds, and whether it is to end now. */
  readonly bakeExtraSeconds: number;
  readonly bakeEnded: boolean;
  /** A person's verdict that the registry has not heard of yet: what it says of the release, and why. */
  readonly untold: Overridden | null;
}

/** A person's verdict in place of the judge's. */
export interface Overridden {
  readonly verdict: OverrideVerdict;
  readonly reason: string;
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
  /** The fleet has none of the wave's cells any more. */
  | { readonly kind: "wave-empty" }
  /** A cell of the wave could not be brought to the release. Sent when all its cells have settled. */
  | { readonly kind: "wave-failed"; readonly reason: string }
  | { readonly kind: "wave-verified" }
  | { readonly kind: "judged"; readonly verdict: Verdict }
  | { readonly kind: "waits"; readonly for: "window" | "moves"; readonly until: number | null; readonly reason: string }
  | { readonly kind: "asks"; readonly approvals: Approvals }
  | { readonly kind: "wait-over" }
  /** Nobody approved in time, which is a rejection. */
  | { readonly kind: "rejected"; readonly reason: string }
  /** Cells that came during the rollout get a wave of their own, the last. */
  | { readonly kind: "joined" }
  | { readonly kind: "wave-rolled-back"; readonly until: number }
  | { readonly kind: "earlier-failed"; readonly reason: string }
  | { readonly kind: "decision-expired" }
  | { readonly kind: "rolled-back" }
  | { readonly kind: "rollback-failed"; readonly reason: string };

export type RolloutCommandInput = CommandInput;

/** Whether nothing new may be begun. */
export function isHeld({ paused, stopped }: Pick<RolloutProgress, "paused" | "stopped">): boolean {
  return paused || stopped;
}

export function isFinal(state: RolloutState): boolean {
  return (finalRolloutStates as readonly RolloutState[]).includes(state);
}

/** A rollout of which nothing has happened yet. */
export function plannedProgress(
  { plan, requestedBy }: Pick<RolloutInput, "plan" | "requestedBy">,
  waveByWave = true,
): RolloutProgress {
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
    since: 1,
    entered: 1,
    ending: null,
    goOn: null,
    waveByWave,
    undoing: "all",
    failed: false,
    waitUntil: null,
    requestedBy,
    approvalPolicy: plan.policy.approvals ?? null,
    approvals: null,
    approvedWaves: [],
    forcedWaves: [],
    stopped: false,
    bakeExtraSeconds: 0,
    bakeEnded: false,
    untold: null,
  };
}
