import type { Gate, GateFinding, Verdict } from "../../common/contracts/rollout.ts";
import type { BakeSamples } from "./bake-samples.ts";

/** What a gate found at one cell, or at all. */
export type Found = Pick<GateFinding, "outcome" | "traffic" | "reason" | "numbers">;

/** Worst first. Of findings alike the first counts. */
const order: readonly GateFinding["outcome"][] = ["fail", "decide", "open", "pass", "not-applicable"];

/** A gate's finding: its worst one, with what it takes to make it again. Without any it is not applicable. */
export function gateFinding(
  gate: Gate,
  formula: string,
  thresholds: GateFinding["thresholds"],
  found: readonly Found[],
): GateFinding {
  const worst = order.flatMap((outcome) => found.find((one) => one.outcome === outcome) ?? [])[0];
  const none: Found = { outcome: "not-applicable", traffic: "none", reason: "there was nothing to judge", numbers: {} };
  return { gate, formula, thresholds, ...(worst ?? none) };
}

/** A verdict that rests on one gate's finding, with what all of them found. */
export function verdictOf(
  verdict: Verdict["verdict"],
  finding: GateFinding,
  samples: Pick<BakeSamples, "sources" | "missing">,
  gates: readonly GateFinding[],
): Verdict {
  const { gate, traffic, reason, formula, thresholds, numbers } = finding;
  const { sources, missing } = samples;
  return {
    verdict,
    gate,
    traffic,
    reason,
    formula,
    thresholds,
    numbers,
    sources: [...sources],
    missing: [...missing],
    gates: [...gates],
  };
}
