import { readFile } from "node:fs/promises";
import type { slotPhases } from "../../common/contracts/cell-admin.ts";
import type { Slot } from "../../common/contracts/lease.ts";
import type { Logger } from "../../common/log.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { readCell, type AppliedMigration, type CellRecord } from "./cell.store.ts";
import { thawExpired } from "./lease.store.ts";

export type SlotPhase = (typeof slotPhases)[number];

/** The newest migrations that a release's code needs, per series. */
export interface SchemaNeeds {
  readonly kit: number;
  readonly app: number;
}

export interface CellStateOptions {
  readonly slot: Slot;
  readonly system: Pool;
  readonly incarnationFile: string;
  readonly needs: SchemaNeeds;
  readonly log: Logger;
}

/** A switch is noticed by NOTIFY at once, and by this at the latest. */
const pollMs = 1_000;

// The phase of this process's slot.
//   standby   not live in this life: serves the synthetic tenant only   → live (switched to)
//   live      serves                                                    → draining (switched away)
//   draining  was live: still serves and names the live slot            → live (switched back)
// While the database cannot be asked the last phase holds; a write is refused by the database itself anyway.

/** What this process knows of its cell: phase, incarnation, schema, and what keeps it from being ready. */
export class CellState {
  readonly slot: Slot;
  readonly #options: CellStateOptions;
  readonly #listeners: ((phase: SlotPhase) => void)[] = [];
  #record: CellRecord | null = null;
  #incarnationOnFile: string | null = null;
  #phase: SlotPhase = "standby";
  #error: string | null = "the database was not asked yet";
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | null = null;
  #stopped = false;

  constructor(options: CellStateOptions) {
    this.slot = options.slot;
    this.#options = options;
  }

  get phase(): SlotPhase {
    return this.#phase;
  }
  get record(): CellRecord | null {
    return this.#record;
  }
  get liveSlot(): Slot {
    return this.#record?.liveSlot ?? this.slot;
  }

  /**
   * Whether the database is this cell's own life: its incarnation is the one on file, and every lease belongs to it. A cell that never held
   * a lease has nothing to mistake.
   */
  get confirmed(): boolean {
    if (this.#record === null || this.#record.leases === 0) return true;
    return this.#record.incarnation === this.#incarnationOnFile && this.#record.unconfirmed === 0;
  }

  /** The id in the incarnation's file as last read; null where there is none. */
  get incarnationOnFile(): string | null {
    return this.#incarnationOnFile;
  }

  get schema(): SchemaNeeds {
    return { kit: newest(this.#record, "kit"), app: newest(this.#record, "app") };
  }

  /** What keeps the process from being ready; empty when nothing does. */
  problems(): string[] {
    const problems: string[] = [];
    if (this.#error !== null) problems.push(this.#error);
    if (this.#record === null) return problems;
    if (!this.confirmed)
      problems.push(
        "incarnation-unconfirmed: the registry has not confirmed every lease for this life of the database",
      );
    for (const series of ["kit", "app"] as const)
      problems.push(...rangeProblems(series, this.#record.migrations, this.#options.needs[series]));
    return problems;
  }

  /** Calls `listener` when the phase changes. */
  onPhase(listener: (phase: SlotPhase) => void): void {
    this.#listeners.push(listener);
  }

  /** Looks now, and from now on again and again. */
  async start(): Promise<void> {
    await this.look();
    this.#next();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Reads the cell's row and the incarnation's file. Never throws; a failure stands in `problems`. */
  async look(): Promise<void> {
    this.#looking ??= this.#read().finally(() => {
      this.#looking = null;
    });
    await this.#looking;
  }

  #next(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.look().then(() => this.#next()), pollMs);
  }

  async #read(): Promise<void> {
    try {
      const [record, onFile] = await Promise.all([
        readCell(this.#options.system),
        readIncarnation(this.#options.incarnationFile),
      ]);
      this.#incarnationOnFile = onFile;
      this.#error = record === null ? "the database is not provisioned" : null;
      this.#record = record;
      if (record !== null && record.overdue > 0) await this.#thaw();
      if (record !== null) this.#take(record.liveSlot);
    } catch (error) {
      if (this.#error === null) this.#options.log.warn({ event: "database-lost", err: error });
      this.#error = "the database cannot be reached";
    }
  }

  /** Any process of the cell may: a frozen tenant must not wait for the one who froze it. */
  async #thaw(): Promise<void> {
    const thawed = await thawExpired(this.#options.system);
    if (thawed > 0) this.#options.log.warn({ event: "freezes-ended-at-their-deadline", tenants: thawed });
  }

  #take(liveSlot: Slot): void {
    const next: SlotPhase = liveSlot === this.slot ? "live" : this.#phase === "standby" ? "standby" : "draining";
    if (next === this.#phase) return;
    this.#options.log.info({ event: "slot-phase", slot: this.slot, liveSlot, from: this.#phase, to: next });
    this.#phase = next;
    for (const listener of this.#listeners) listener(next);
  }
}

/** The id in the incarnation's file, null where there is none. */
export async function readIncarnation(path: string): Promise<string | null> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

function newest(record: CellRecord | null, series: "kit" | "app"): number {
  const numbers = (record?.migrations ?? [])
    .filter((migration) => migration.series === series)
    .map((migration) => migration.number);
  return Math.max(0, ...numbers);
}

/** A release runs on any schema from what it needs up to the first contract or irreversible migration after its own. */
export function rangeProblems(series: "kit" | "app", applied: readonly AppliedMigration[], needs: number): string[] {
  const ours = applied.filter((migration) => migration.series === series);
  if (needs > 0 && !ours.some((migration) => migration.number === needs))
    return [`schema-too-old: migration ${series}/${needs} is missing`];
  const beyond = ours.find((migration) => migration.number > needs && migration.class !== "expand");
  return beyond === undefined
    ? []
    : [`schema-too-new: ${series}/${beyond.number} is a ${beyond.class} migration after this release`];
}
