import type { CellCheck, Comparison, Look } from "../../common/contracts/bake.ts";
import type { SampleCounter } from "../../common/contracts/samples.ts";
import type { CellId, ReleaseName } from "../../common/ids.ts";

/** All that a verdict rests on. */
export interface BakeSamples {
  /** The wave's cells and what each should run. */
  readonly cells: readonly { readonly cell: CellId; readonly release: ReleaseName }[];
  /** In order of time, of all cells, since the bake began. */
  readonly checks: readonly CellCheck[];
  /** What was counted since the bake began, summed over the sources (`TrafficWindow.counters`). */
  readonly counters: readonly SampleCounter[];
  /** Routers that were heard; and those that should have been, but were not. */
  readonly sources: readonly string[];
  readonly missing: readonly string[];
  /** Whether the bake is over. Before, nothing passes, but enough errors fail at once. */
  readonly over: boolean;
  /** The same, look by look, for the gates that go by time. */
  readonly looks?: readonly Look[];
  /** Null where there is nobody to compare with. */
  readonly comparison?: Comparison | null;
}
