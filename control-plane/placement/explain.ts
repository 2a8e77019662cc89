import type { Candidate, Decision } from "./decision.ts";
import type { NoCellFits } from "./errors.ts";
import type { Strategy } from "./policy.ts";

const strategyText: Readonly<Record<Strategy, string>> = {
  tenant: "least utilisation after placement (a very large tenant: the fullest cell that still fits it)",
  hash: "weighted rendezvous hash of tenant and cell",
  geographic: "nearest region, then least utilisation",
  random: "seeded random order",
  hybrid: "most wanted region, then least utilisation",
  dedicated: "the smallest cell that is free for this tenant alone",
};

/** The answer to "why here?" for a person: one line a cell, best first. */
export function explain(decision: Decision): string {
  return [
    `${decision.cell} by strategy ${decision.strategy}: ${strategyText[decision.strategy]}`,
    ...decision.candidates.map(candidateLine),
  ].join("\n");
}

/** The answer to "why nowhere?". */
export function explainRefusal(refusal: NoCellFits): string {
  return ["no cell fits:", ...refusal.candidates.map(candidateLine)].join("\n");
}

function candidateLine(candidate: Candidate): string {
  if (candidate.kind === "excluded") return `  ${candidate.cell}  excluded (${candidate.exclusion}): ${candidate.text}`;
  const percent = (candidate.utilisation * 100).toFixed(1);
  return `  ${candidate.cell}  score ${candidate.score.toFixed(4)}, ${percent} % of ${candidate.dimension} in use afterwards`;
}
