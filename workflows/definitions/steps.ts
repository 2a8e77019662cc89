import type { MigrationClass } from "../../common/contracts/release.ts";
import type { Slot } from "../../common/contracts/lease.ts";
import type { Rollout, Verdict } from "../../common/contracts/rollout.ts";
import type { RolloutPolicy } from "../../common/contracts/rollout-policy.ts";
import type { Samples } from "../../common/contracts/samples.ts";
import type { CellId, OperationId, ReleaseName } from "../../common/ids.ts";
import type { Member } from "../../control-plane/rollout/membership.ts";
import type { WatchRequest } from "../../control-plane/rollout/looks.ts";
import type { CellCheck } from "../../common/contracts/bake.ts";
import type { Line } from "../../common/contracts/rollout-records.ts";

// What workflows ask of activities. Definitions may see nothing that does I/O, so they say here what they need, and the activities
// say that they do it. Every step may be run again after a crash at any point, and then ends in the same state.

/** A release by its name and the digest that proves it. */
export interface ReleaseRef {
  readonly name: ReleaseName;
  readonly digest: string;
}

/** What a cell itself says about one of its slots. */
export interface SlotReport {
  readonly release: ReleaseName | null;
  readonly digest: string | null;
  readonly ready: boolean;
  /** What keeps it from being ready. */
  readonly problems: readonly string[];
}

/** What a cell itself says: which slot is live, and which release is in which slot. Asked, never remembered. */
export interface CellReport {
  readonly liveSlot: Slot;
  readonly slots: Readonly<Record<Slot, SlotReport>>;
}

/** Whose claim on the cell a step acts under. Missing only in histories of before there were claims; then the step acts under none. */
export interface ClaimedStep {
  readonly operation?: OperationId;
}
export interface SlotStep {
  readonly cell: CellId;
  readonly slot: Slot;
}
export interface ReleaseStep {
  readonly cell: CellId;
  readonly release: ReleaseRef;
}

/**
 * The steps that bring a release into one cell. Those that change it fail for good with `claim-lost` or `claim-outranked` when the operation does not
 * hold the cell any more.
 */
export type CellSteps = {
  /** The cell's own word about its slots. */
  inspectCell(input: { cell: CellId }): Promise<CellReport>;
  resolveRelease(input: { release: ReleaseName }): Promise<ReleaseRef>;
  installRelease(input: ReleaseStep & ClaimedStep): Promise<void>;
  /** Runs the release's `expand` migrations, and those of the classes that the plan named. Fails for good with `migration-failed`. */
  migrateCell(input: ReleaseStep & ClaimedStep & { migrations?: readonly MigrationClass[] }): Promise<void>;
  /** Starts the release in a slot that is not live; what an earlier try left there is stopped first. */
  startRelease(input: ReleaseStep & SlotStep & ClaimedStep): Promise<void>;
  /** Fails for good with `release-not-ready` when the release is not ready in time. */
  awaitReady(input: ReleaseStep & SlotStep): Promise<void>;
  /** Fails for good with `smoke-failed` when the synthetic tenant's journey fails at that slot; a quarantined release is known to be bad, and not tried. */
  smokeTest(input: SlotStep & { release: ReleaseName }): Promise<void>;
  switchSlot(input: { cell: CellId; from: Slot; to: Slot } & ClaimedStep): Promise<void>;
  /** Publishes the cell's live slot and release; the cell itself remains the truth. */
  publishLive(input: SlotStep & { release: ReleaseName }): Promise<void>;
  /** Drains, if so asked, and stops a slot; the live one is never touched, nothing is done where nothing runs. */
  retireSlot(input: SlotStep & ClaimedStep & { drain: boolean }): Promise<void>;
  /**
   * A cell whose change broke off: what may still be under way is refused from now on, what stands beside the live release is stopped if that is not
   * `to`, and the cell says how it stands.
   */
  settleCell(input: { cell: CellId; operation: OperationId; to: ReleaseName }): Promise<CellReport>;
};

/** One look at a wave: load first, where samples lack, then routers and cells, then the judge. */
export interface LookInput {
  readonly operation: OperationId;
  /** The watch, and which look of it; a look that is taken twice is kept once. */
  readonly number: number;
  readonly look: number;
  /** Since the watch began. */
  readonly seconds: number;
  readonly policy: RolloutPolicy;
  /** `hard`: whether the cells serve at all, before they bake. */
  readonly gates: "hard" | "all";
  /** Whether the bake is over: only then may it pass. */
  readonly over: boolean;
  readonly load: LoadInput | null;
}

export interface LoadInput {
  /** Where it is sent: to all cells that are watched, or to those of the waves before alone. */
  readonly to: "all" | "earlier";
  /** How much of the bake is over when the load has been sent, 0 to 1. */
  readonly share: number;
  /** Synthetic requests over the whole bake, of cells that planning found too quiet. */
  readonly planned: readonly { readonly cell: CellId; readonly requests: number }[];
  readonly overMs: number;
}

export interface LookResult {
  readonly verdict: Verdict;
  /** Whether samples still lack that load could bring. */
  readonly lacking: boolean;
}

export interface ObserveInput {
  /** Cells whose traffic is counted too, though nobody checks them. */
  readonly controls?: readonly CellId[];
  /** The wave's cells and what each should run. */
  readonly cells: readonly { readonly cell: CellId; readonly release: ReleaseName }[];
  /** Synthetic requests to send first, through the router. */
  readonly load: readonly { readonly cell: CellId; readonly requests: number }[];
  /** Over how long to spread them, in milliseconds. */
  readonly overMs: number;
}

/** One look at a wave, straight from routers and cells. */
export interface Observation {
  readonly checks: readonly CellCheck[];
  readonly readings: readonly Samples[];
  /** Routers that were heard, and those that were not. */
  readonly sources: readonly string[];
  readonly missing: readonly string[];
}

/** What a rollout needs beside the steps in its cells. */
export type RolloutSteps = {
  /**
   * Takes the cells, all or none, and makes the synthetic tenants' keys known well before the first load needs them; does nothing with those that it has.
   * @returns who else holds one, null where it has them all. It fails for good with `rollout-over` where the rollout was given up.
   */
  takeCells(input: { operation: OperationId; cells: readonly CellId[] }): Promise<{ readonly heldBy: string | null }>;
  /** Which of these cells the operation holds no more. */
  lostCells(input: { operation: OperationId; cells: readonly CellId[] }): Promise<readonly CellId[]>;
  /** As `takeCells`, for rollouts that began before that: tried until it has them. */
  prepareRollout(input: { operation: OperationId; cells: readonly CellId[] }): Promise<void>;
  /** Writes the rollout as it is now; an equal or older revision changes nothing. */
  saveRollout(input: { rollout: Rollout }): Promise<void>;
  quarantineRelease(input: { release: ReleaseName; reason: string }): Promise<void>;
  /** A person has overridden the FAIL that quarantined it. */
  liftQuarantine(input: { release: ReleaseName; reason: string }): Promise<void>;
  /** Whether the line is stopped, and by whom. */
  lineState(): Promise<Line>;
  /** Gives the cells back; after a completed rollout its release is the fleet's. */
  finishRollout(input: { operation: OperationId; completed: ReleaseName | null }): Promise<void>;
  /** Adds synthetic load, then reads routers and checks cells. What does not answer is reported as such. */
  observeWave(input: ObserveInput): Promise<Observation>;
  /** The fleet's cells as they are now. */
  fleetMembers(): Promise<readonly Member[]>;
  /** Opens a watch over a wave; does nothing where it is open. */
  openWatch(input: { operation: OperationId; watch: WatchRequest }): Promise<void>;
  takeLook(input: LookInput): Promise<LookResult>;
  /** Judges the waves before a bad one again, by the looks of its watch. */
  judgeEarlier(input: {
    operation: OperationId;
    number: number;
    policy: RolloutPolicy;
  }): Promise<readonly { readonly wave: number; readonly verdict: Verdict }[]>;
};
