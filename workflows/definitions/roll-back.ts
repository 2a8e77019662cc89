import { proxyActivities } from "@temporalio/workflow";
import { usualCellsAtOnce, usualDecisionSeconds } from "../../control-plane/rollout/policy.ts";
import type { RolloutInput, Verdict } from "../../common/contracts/rollout.ts";
import type { OpenWatch } from "./carried.ts";
import { type CellRecord, deployBack } from "./cell-child.ts";
import { untilFree } from "./holders.ts";
import type { Journal } from "./journal.ts";
import { lookOptions } from "./options.ts";
import type { RolloutSteps } from "./steps.ts";
import { nextLook } from "./wave-watch.ts";

const looking = proxyActivities<RolloutSteps>(lookOptions);

/** Over how long the load is spread that is added before the earlier waves are judged again. */
const topUpMs = 2_000;

/**
 * Brings cells back to their last verified release, the last changed first: all that this rollout changed, or a bad wave alone, after which the waves
 * before it are judged again over the same time. Never itself rolled back.
 */
export async function rollBack(input: RolloutInput, journal: Journal): Promise<void> {
  const { number } = journal.wave;
  const waveOnly = journal.progress.undoing === "wave";
  const changed = journal.cells.filter((cell) => wasChanged(cell) && (!waveOnly || cell.wave === number)).toReversed();
  const failures = await bringBack(input, journal, changed);
  for (const wave of new Set(changed.map((cell) => cell.wave))) {
    const whole = journal.cells.every(
      (cell) => cell.wave !== wave || cell.step === "rolled-back" || cell.step === "pending" || cell.step === "skipped",
    );
    journal.waveIs(wave, whole ? "rolled-back" : "failed");
  }
  const reason = failures.join("; ");
  if (failures.length > 0) return journal.learn({ kind: "rollback-failed", reason }, { reason });
  if (!waveOnly) return journal.learn({ kind: "rolled-back" });
  if (journal.cells.some(wasChanged)) return await judgeEarlier(input, journal);
  journal.learn({ kind: "earlier-failed", reason: journal.progress.reason ?? "the wave failed" });
}

function wasChanged({ step }: CellRecord): boolean {
  return step === "deployed" || step === "failed" || step === "indeterminate";
}

/** @returns what could not be brought back, and why. */
async function bringBack(input: RolloutInput, journal: Journal, cells: readonly CellRecord[]): Promise<string[]> {
  const atOnce = input.plan.policy.cellsAtOnce ?? usualCellsAtOnce;
  const failures: string[] = [];
  if (journal.abilities.yields) await untilFree(input, journal, cells);
  for (let first = 0; first < cells.length; first += atOnce) {
    const batch = cells.slice(first, first + atOnce);
    const results = await Promise.all(batch.map((cell) => deployBack(input, journal, cell)));
    failures.push(
      ...results.flatMap(({ cell, step, error }) =>
        step === "rolled-back" ? [] : `${cell}: ${error ?? "not rolled back"}`,
      ),
    );
  }
  return failures;
}

/** A release that is bad in the waves before, too, goes back everywhere; else a person has a while to decide. */
async function judgeEarlier(input: RolloutInput, journal: Journal): Promise<void> {
  const { policy } = input.plan;
  const watch = journal.watches.of(journal.wave.number);
  const judged = watch === null ? [] : await lookAgain(input, watch);
  for (const { wave, verdict } of judged) journal.remark(verdict, wave);
  const bad = judged.find(({ verdict }) => verdict.verdict === "FAIL");
  if (bad !== undefined) {
    const reason = `${journal.progress.reason ?? ""}; in wave ${bad.wave}, too: ${bad.verdict.reason}`;
    return journal.learn({ kind: "earlier-failed", reason }, { wave: bad.wave, reason });
  }
  const waitMs = (policy.decisionSeconds ?? usualDecisionSeconds) * policy.timeScale * 1_000;
  journal.learn({ kind: "wave-rolled-back", until: new Date().getTime() + waitMs });
}

/** A bad wave may have shown itself before the others had enough traffic: they get what they lack, and one more look. */
async function lookAgain(
  input: RolloutInput,
  watch: OpenWatch,
): Promise<readonly { readonly wave: number; readonly verdict: Verdict }[]> {
  const { operation, plan } = input;
  const load = { to: "earlier", share: 1, planned: [], overMs: topUpMs } as const;
  try {
    await looking.takeLook(nextLook(input, watch, { gates: "all", over: false, load }));
    return await looking.judgeEarlier({ operation, number: watch.number, policy: plan.policy });
  } catch {
    // Why stands in the workflow's history. Nothing is known of them: that is a person's to decide.
    return [];
  }
}
