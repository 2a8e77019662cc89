import { CellplaneError, type ErrorTable } from "../../common/errors.ts";
import type { Candidate } from "./decision.ts";

/** Errors of placement. */
export const placementErrors = {
  "no-cell-fits": {
    status: 409,
    title: "No cell fits the tenant",
    todo: "Read the exclusions: add a cell, lift a cordon, or change the tenant's tier, residency or size.",
  },
} as const satisfies ErrorTable;

/** No cell satisfies the constraints. `candidates` says for every cell why not. */
export class NoCellFits extends CellplaneError {
  readonly candidates: readonly Candidate[];

  constructor(candidates: readonly Candidate[]) {
    super("no-cell-fits", placementErrors["no-cell-fits"], summary(candidates), { extra: { candidates } });
    this.name = "NoCellFits";
    this.candidates = candidates;
  }
}

function summary(candidates: readonly Candidate[]): string {
  if (candidates.length === 0) return "the fleet has no cells";
  const reasons = candidates.map(
    (candidate) => `${candidate.cell}: ${candidate.kind === "excluded" ? candidate.exclusion : "fits"}`,
  );
  return reasons.join(", ");
}
