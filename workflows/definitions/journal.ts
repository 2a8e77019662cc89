import { advance, end } from "../../control-plane/rollout/advance.ts";
import { obey, refusalOf } from "../../control-plane/rollout/obey.ts";
import type { Member } from "../../control-plane/rollout/membership.ts";
import type { Exposure } from "../../control-plane/rollout/blast-radius.ts";
import type { CommandRefusal } from "../../control-plane/rollout/refusal.ts";
import { isSameStanding, standingOf } from "../../control-plane/rollout/state-changes.ts";
import { isWaveCommand, type CellStanding } from "../../control-plane/rollout/wave-commands.ts";
import {
  isFinal,
  plannedProgress,
  type RolloutEvent,
  type RolloutProgress,
} from "../../control-plane/rollout/progress.ts";
import type { Abilities, Carried } from "./carried.ts";
import { toldReason } from "./command-text.ts";
import { Watches } from "./watches.ts";
import type {
  CellStep,
  CommandInput,
  HistoryEntry,
  PlannedWave,
  Rollout,
  RolloutInput,
  Standing,
  Verdict,
} from "../../common/contracts/rollout.ts";
import type { Line } from "../../common/contracts/rollout-records.ts";
import type { CellId } from "../../common/ids.ts";

type WaveRecord = Rollout["waves"][number];
type CellRecord = Rollout["cells"][number];

/** What happened, for the history; wave, cell and actor are filled in where they are not given. */
type Note = Partial<Pick<HistoryEntry, "wave" | "cell" | "actor" | "reason" | "verdict">>;

/** Whose word stands in the history where no person gave it. */
const self = "rollout";

/**
 * A rollout's memory: its progress, changed only by the pure state machine, and around it what is told to the registry. Every
 * change raises the revision, so that the newest record is always the one with the highest.
 */
export class Journal {
  readonly #input: RolloutInput;
  readonly #createdAt: string;
  #updatedAt: string;
  #progress: RolloutProgress;
  #waves: readonly WaveRecord[];
  #cells: readonly CellRecord[];
  #history: readonly HistoryEntry[] = [];
  /** As the history says it. */
  #standing: Standing | null = null;
  readonly #began: Map<number, string>;
  readonly #exposed: Exposure[];
  readonly #gone: Set<CellId>;
  /** Cells that a person left out. */
  readonly #leftOut: Set<CellId>;
  /** Cells that are being changed. */
  readonly underway = new Set<CellId>();
  readonly abilities: Abilities;
  /** Waves of cells that came during the rollout. */
  readonly #joinedWaves: PlannedWave[];
  readonly watches: Watches;

  /** @param carried what the run before knew; null in the first. */
  constructor(input: RolloutInput, abilities: Abilities, carried: Carried | null) {
    const { plan } = input;
    this.#input = input;
    this.abilities = abilities;
    this.#createdAt = carried?.createdAt ?? now();
    this.#updatedAt = carried?.updatedAt ?? this.#createdAt;
    this.watches = new Watches(carried, () => this.#progress.entered);
    this.#began = new Map(carried?.began);
    this.#exposed = [...(carried?.exposed ?? [])];
    this.#gone = new Set(carried?.gone);
    this.#leftOut = new Set(carried?.leftOut);
    this.#joinedWaves = [...(carried?.joinedWaves ?? [])];
    if (carried !== null) {
      this.#progress = carried.progress;
      this.#waves = carried.waves;
      this.#cells = carried.cells;
      this.#history = carried.history;
      this.#standing = carried.standing;
      return;
    }
    this.#progress = plannedProgress(input, abilities.waveByWave);
    this.#waves = plan.waves.map(({ number, cells }) => ({
      number,
      state: "pending",
      cells: cells.map(({ cell }) => cell),
      bakeEndsAt: null,
    }));
    this.#cells = plan.waves.flatMap(({ number, cells }) =>
      cells.map(({ cell, from, to }) => ({ cell, wave: number, step: "pending" as const, from, to, error: null })),
    );
    this.#note("planned", { actor: input.requestedBy, reason: input.reason ?? null });
  }

  /** All that the next run has to know. No cell is in mid-change when it is asked for. */
  get carried(): Carried {
    return {
      progress: this.#progress,
      waves: this.#waves,
      cells: this.#cells,
      history: this.#history,
      standing: this.#standing,
      ...this.watches.carried,
      began: [...this.#began],
      exposed: this.#exposed,
      gone: [...this.#gone],
      leftOut: [...this.#leftOut],
      joinedWaves: this.#joinedWaves,
      createdAt: this.#createdAt,
      updatedAt: this.#updatedAt,
    };
  }

  get progress(): RolloutProgress {
    return this.#progress;
  }

  get cells(): readonly CellRecord[] {
    return this.#cells;
  }

  /** The wave at hand. */
  get wave(): PlannedWave {
    const number = this.#progress.wave ?? 1;
    const { waves } = this.#input.plan;
    const wave = waves[number - 1] ?? this.#joinedWaves[number - 1 - waves.length];
    if (wave === undefined) throw new TypeError(`the plan has no wave ${this.#progress.wave}`);
    return wave;
  }

  /** Cells of a wave that have the release. */
  deployedIn(wave: number): readonly CellId[] {
    return this.#cells.filter((cell) => cell.wave === wave && cell.step === "deployed").map(({ cell }) => cell);
  }

  /** Cells that came during the rollout. */
  get joined(): readonly CellRecord[] {
    return this.#cells.filter(({ wave }) => wave > this.#input.plan.waves.length);
  }

  /** Cells that came during the rollout get a wave of their own, which bakes as the last one did. */
  join(members: readonly Member[]): void {
    const to = this.#input.plan.release;
    const number = this.#progress.waves + 1;
    const { bakeSeconds } = this.wave;
    const cells = members.map(({ cell, release }) => ({ cell, from: release, to, tenants: 0 }));
    this.#joinedWaves.push({ number, cells, bakeSeconds, tenantsAtRisk: {} });
    const ids = cells.map(({ cell }) => cell);
    this.#waves = [...this.#waves, { number, state: "pending", cells: ids, bakeEndsAt: null }];
    // A cell that came back stands in its new wave alone: a cell is where it is to be changed next.
    const others = this.#cells.filter(({ cell }) => !ids.includes(cell));
    const records = cells.map(({ cell, from }) => ({
      cell,
      wave: number,
      step: "pending" as const,
      from,
      to,
      error: null,
    }));
    this.#cells = [...others, ...records];
    this.learn({ kind: "joined" }, { reason: `${ids.join(", ")} came during the rollout` });
  }

  /** Something worth knowing that changes nothing. */
  remember(event: string, reason: string): void {
    this.#touch();
    this.#note(event, { reason });
  }

  /** When the first cell of a wave was begun; null where none was. */
  deployBegan(wave: number): string | null {
    return this.#began.get(wave) ?? null;
  }

  /** Customers that were exposed, and when. */
  get exposed(): readonly Exposure[] {
    return this.#exposed;
  }

  /** A wave's first cells are begun: from now on its customers count as exposed. */
  waveBegins(wave: PlannedWave): void {
    if (this.#began.has(wave.number)) return;
    const at = new Date();
    this.#began.set(wave.number, at.toISOString());
    this.#exposed.push({ at: at.getTime(), tenants: wave.cells.reduce((sum, cell) => sum + cell.tenants, 0) });
  }

  /** What the registry keeps and `rollout show` answers. */
  get record(): Rollout {
    const { state, waitingFor, paused, stopped, reason, revision, wave } = this.#progress;
    const { operation, plan, requestedBy } = this.#input;
    return {
      id: operation,
      application: plan.application,
      release: plan.release,
      state,
      waitingFor,
      paused,
      stopped,
      reason,
      revision,
      wave,
      plan,
      waves: [...this.#waves],
      cells: [...this.#cells],
      history: [...this.#history],
      requestedBy,
      createdAt: this.#createdAt,
      updatedAt: this.#updatedAt,
    };
  }

  /** Why a command may not be given now; null when it may. */
  refusalOf(command: CommandInput): CommandRefusal | null {
    if (!this.abilities.commands && (isWaveCommand(command.command) || isLineCommand(command.command)))
      return { code: "not-in-this-state", detail: "it began before rollouts knew this command" };
    return refusalOf(this.#progress, command, new Date().getTime(), this.#standings);
  }

  obey(command: CommandInput): void {
    const before = this.#progress;
    this.#progress = obey(before, command, new Date().getTime(), this.#standings);
    const { actor, cell } = command;
    // Which wave it was meant for, not which one it led to.
    this.#note(command.command, { wave: before.wave, cell: cell ?? null, actor, reason: toldReason(command, before) });
    if (cell !== undefined) this.#cellCommand(command, cell);
    if (before.wave === null) return;
    if (command.command === "extend-bake") this.#bakeLonger(before.wave, command.seconds ?? 0);
    const isPassed = command.command === "override" && command.verdict === "PASS" && before.waitingFor !== "window";
    if (isPassed) this.waveIs(before.wave, "passed");
  }

  /** The registry's word about the line; what is known already changes nothing. */
  lineIs({ stopped, by, reason }: Line): void {
    if (stopped === this.#progress.stopped || isFinal(this.#progress.state)) return;
    const command = stopped ? "stop-the-line" : "release-the-line";
    this.obey({ command, actor: by ?? self, reason, planHash: null, revision: null });
  }

  /** A person's verdict has reached the registry. */
  overrideIsTold(): void {
    this.#progress = { ...this.#progress, untold: null };
  }

  /** What the workflow learned changes the state. */
  learn(event: RolloutEvent, note: Note = {}): void {
    this.#progress = advance(this.#progress, event);
    this.#note(event.kind, note);
  }

  /** A wait has lasted as long as it may. */
  timeIsUp(): void {
    const { waitingFor, approvals } = this.#progress;
    switch (waitingFor) {
      case "approval": {
        const given = approvals?.approvedBy.length ?? 0;
        const reason = `not approved in time: ${given} of ${this.#progress.approvalPolicy?.required ?? 1}`;
        return this.learn({ kind: "rejected", reason }, { reason });
      }
      case "decision":
        return this.learn({ kind: "decision-expired" }, { reason: "nobody decided in time" });
      case "window":
      case "moves":
        return this.learn({ kind: "wait-over" });
      case null:
        return;
      default:
        waitingFor satisfies never;
    }
  }

  /** Puts a halt, roll-back or cancellation into effect that waited for cells in mid-change. */
  settle(): void {
    const { ending } = this.#progress;
    if (ending === null) return;
    this.#progress = end(this.#progress, ending);
    this.#note(this.#progress.state, {});
  }

  /** Ends a rollout that could not even begin. */
  giveUp(reason: string): void {
    this.#progress = end({ ...this.#progress, reason }, "cancelled");
    this.#note("gave-up", { reason });
  }

  /** A verdict that changes nothing yet, kept with all it rests on. */
  remark(verdict: Verdict, wave: number | null = this.#progress.wave): void {
    this.#touch();
    this.#note("observed", { wave, reason: verdict.reason, verdict });
  }

  waveIs(number: number, state: WaveRecord["state"], bakeEndsAt: string | null = null): void {
    this.#touch();
    this.#waves = this.#waves.map((wave) => (wave.number === number ? { ...wave, state, bakeEndsAt } : wave));
  }

  cellIs(cell: CellId, step: CellStep, error: string | null = null): void {
    const known = this.#cells.find((record) => record.cell === cell);
    if (known === undefined || (known.step === step && known.error === error)) return;
    this.#touch();
    this.#cells = this.#cells.map((record) => (record.cell === cell ? { ...record, step, error } : record));
    const isTold = step === "deployed" || step === "rolled-back" || step === "failed" || step === "indeterminate";
    if (isTold) this.#note(`cell-${step}`, { wave: known.wave, cell, reason: error });
  }

  cellIsGone(cell: CellId): void {
    this.#gone.add(cell);
    this.cellIs(cell, "skipped", "the fleet has it no more");
  }

  isGone(cell: CellId): boolean {
    return this.#gone.has(cell);
  }

  isLeftOut(cell: CellId): boolean {
    return this.#leftOut.has(cell);
  }

  get #standings(): readonly CellStanding[] {
    return this.#cells.map(({ cell, wave, step }) => ({
      cell,
      wave,
      step,
      isBusy: this.underway.has(cell),
      isGone: this.#gone.has(cell),
    }));
  }

  #bakeLonger(number: number, seconds: number): void {
    const { bakeEndsAt = null } = this.#waves.find((wave) => wave.number === number) ?? {};
    if (bakeEndsAt === null) return;
    this.waveIs(number, "baking", new Date(Date.parse(bakeEndsAt) + seconds * 1_000).toISOString());
  }

  #cellCommand({ command, actor, reason }: CommandInput, cell: CellId): void {
    if (command === "skip-cell") {
      this.#leftOut.add(cell);
      this.cellIs(cell, "skipped", `left out by ${actor}${reason === null ? "" : `: ${reason}`}`);
    }
    if (command === "retry-cell") {
      this.#leftOut.delete(cell);
      this.cellIs(cell, "pending");
    }
  }

  #touch(): void {
    this.#progress = { ...this.#progress, revision: this.#progress.revision + 1 };
    this.#updatedAt = now();
  }

  #note(event: string, note: Note): void {
    const at = now();
    this.#updatedAt = at;
    const entry = {
      at,
      event,
      wave: note.wave ?? this.#progress.wave,
      cell: note.cell ?? null,
      actor: note.actor ?? self,
      reason: note.reason ?? null,
    };
    const standing = standingOf(this.#progress);
    const isNew = this.#standing === null || !isSameStanding(this.#standing, standing);
    this.#standing = standing;
    this.#history = [
      ...this.#history,
      { ...entry, ...(note.verdict === undefined ? {} : { verdict: note.verdict }), ...(isNew ? { standing } : {}) },
    ];
  }
}

function isLineCommand(command: CommandInput["command"]): boolean {
  return command === "stop-the-line" || command === "release-the-line";
}

/** The workflow's own time: Temporal replaces `Date` within the sandbox, so that a replay sees the same. */
function now(): string {
  return new Date().toISOString();
}
