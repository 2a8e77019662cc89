import type { Exposure } from "../../control-plane/rollout/blast-radius.ts";
import type { RolloutProgress } from "../../control-plane/rollout/progress.ts";
import type { HistoryEntry, PlannedWave, Rollout, Standing } from "../../common/contracts/rollout.ts";
import type { CellId } from "../../common/ids.ts";

/** A watch as the workflow knows it: what was seen is kept by the registry. */
export interface OpenWatch {
  readonly number: number;
  readonly wave: number;
  /** Milliseconds since 1970. */
  readonly beganAt: number;
  /** How many looks were begun. */
  looks: number;
  /** Whether the registry has it. */
  isOpen: boolean;
  /** Looks in a row that could not be taken. */
  errors: number;
}

/** A bake or a wait that goes on in the workflow's next run: its watch, and how far it has come. */
export interface Unfinished {
  readonly purpose: "bake" | "wait";
  /** Which one it is: the revision at which its state was entered. */
  readonly entered: number;
  readonly watch: number | null;
  readonly tick: number;
  /** Of a bake: when it ends by the plan, in milliseconds since 1970. */
  readonly plannedEnd: number;
}

/** All that a rollout's next run has to know of this one. Plain JSON. */
export interface Carried {
  readonly progress: RolloutProgress;
  readonly waves: readonly Rollout["waves"][number][];
  readonly cells: readonly Rollout["cells"][number][];
  readonly history: readonly HistoryEntry[];
  readonly standing: Standing | null;
  readonly watches: readonly OpenWatch[];
  readonly began: readonly (readonly [wave: number, at: string])[];
  readonly exposed: readonly Exposure[];
  readonly gone: readonly CellId[];
  readonly leftOut: readonly CellId[];
  readonly joinedWaves: readonly PlannedWave[];
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly unfinished: Unfinished | null;
}

/** What a workflow does that those which began before it did not; Temporal remembers the answer for each run. */
export interface Abilities {
  /** A bad wave goes back alone, and is watched by looks that the registry keeps; before, all was undone. */
  readonly waveByWave: boolean;
  /** The line is asked for before cells are begun, and a command ends the wait within a bake. */
  readonly commands: boolean;
  /** It goes on in another run when its history becomes long. */
  readonly carries: boolean;
  /** It says when it waits for whoever holds a cell, gives way to who takes one, and looks at a cell whose change broke off. */
  readonly yields: boolean;
}
