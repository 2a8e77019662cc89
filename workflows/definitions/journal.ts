import { advance, end } from "../../control-plane/rollout/advance.ts";
import { obey, refusalOf } from "../../control-plane/rollout/obey.ts";
import type { CommandRefusal } from "../../control-plane/rollout/refusal.ts";
import { plannedProgress, type RolloutEvent, type RolloutProgress } from "../../control-plane/rollout/progress.ts";
import type {
  CellStep,
  CommandInput,
  HistoryEntry,
  PlannedWave,
  Rollout,
  RolloutInput,
  Verdict,
} from "../../common/contracts/rollout.ts";
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
  readonly #createdAt = now();
  #updatedAt = this.#createdAt;
  #progress: RolloutProgress;
  #waves: readonly WaveRecord[];
  #cells: readonly CellRecord[];
  #history: readonly HistoryEntry[] = [];

  constructor(input: RolloutInput) {
    const { plan } = input;
    this.#input = input;
    this.#progress = plannedProgress(plan);
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

  get progress(): RolloutProgress {
    return this.#progress;
  }

  get cells(): readonly CellRecord[] {
    return this.#cells;
  }

  /** The wave at hand. */
  get wave(): PlannedWave {
    const wave = this.#input.plan.waves[(this.#progress.wave ?? 1) - 1];
    if (wave === undefined) throw new TypeError(`the plan has no wave ${this.#progress.wave}`);
    return wave;
  }

  /** What the registry keeps and `rollout show` answers. */
  get record(): Rollout {
    const { state, waitingFor, paused, reason, revision, wave } = this.#progress;
    const { operation, plan, requestedBy } = this.#input;
    return {
      id: operation,
      application: plan.application,
      release: plan.release,
      state,
      waitingFor,
      paused,
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
    return refusalOf(this.#progress, command);
  }

  obey(command: CommandInput): void {
    this.#progress = obey(this.#progress, command);
    this.#note(command.command, { actor: command.actor, reason: command.reason });
  }

  /** What the workflow learned changes the state. */
  learn(event: RolloutEvent, note: Note = {}): void {
    this.#progress = advance(this.#progress, event);
    this.#note(event.kind, note);
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
  remark(verdict: Verdict): void {
    this.#touch();
    this.#note("observed", { reason: verdict.reason, verdict });
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
    const settled = step === "deployed" || step === "rolled-back" || step === "failed";
    if (settled) this.#note(`cell-${step}`, { wave: known.wave, cell, reason: error });
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
    this.#history = [...this.#history, note.verdict === undefined ? entry : { ...entry, verdict: note.verdict }];
  }
}

/** The workflow's own time: Temporal replaces `Date` within the sandbox, so that a replay sees the same. */
function now(): string {
  return new Date().toISOString();
}
