import type { CellCheck } from "../../common/contracts/bake.ts";
import type { GateFinding, Verdict } from "../../common/contracts/rollout.ts";
import type { RolloutPolicy } from "../../common/contracts/rollout-policy.ts";
import type { CellId, ReleaseName } from "../../common/ids.ts";
import type { BakeSamples } from "./bake-samples.ts";
import { gateFinding, verdictOf, type Found } from "./finding.ts";

const formula =
  "FAIL if failuresInARow ≥ hardFailuresInARow; a check fails unless the cell answers, is ready and reports the release";

/** The hard gate alone: what decides whether a wave may begin to bake. */
export function judgeHard(samples: BakeSamples, policy: RolloutPolicy): Verdict {
  const finding = hardFinding(samples, policy);
  const kinds = { fail: "FAIL", pass: "PASS" } as const;
  const kind = finding.outcome === "fail" || finding.outcome === "pass" ? kinds[finding.outcome] : "INCONCLUSIVE";
  return verdictOf(kind, finding, samples, []);
}

/**
 * The hard gate: each cell answers, is ready and reports the release it should run. So many failures in a row fail at
 * once; a last check that failed, or no check at all, leaves it open.
 */
export function hardFinding(samples: BakeSamples, policy: RolloutPolicy): GateFinding {
  const found = samples.cells.map(({ cell, release }) => lastFailures(cell, release, samples.checks));
  const thresholds = { hardFailuresInARow: policy.hardFailuresInARow };
  const say = (outcome: Found["outcome"], reason: string, checks: number, failuresInARow: number): Found => ({
    outcome,
    traffic: "none",
    reason,
    numbers: { checks, failuresInARow },
  });
  const findings = found.map(({ cell, checks, failures, problem }) =>
    say(outcomeOf(checks, failures, policy.hardFailuresInARow), `${cell}: ${problem}`, checks, failures),
  );
  const ill = findings.filter(({ outcome }) => outcome !== "pass");
  if (ill.length > 0) return gateFinding("hard", formula, thresholds, ill);
  const fewest = Math.min(...found.map(({ checks }) => checks), samples.checks.length);
  return gateFinding("hard", formula, thresholds, [
    say("pass", "every cell answers, is ready and runs the release", fewest, 0),
  ]);
}

function outcomeOf(checks: number, failures: number, limit: number): Found["outcome"] {
  if (failures >= limit) return "fail";
  return failures > 0 || checks === 0 ? "open" : "pass";
}

interface Finding {
  readonly cell: CellId;
  readonly checks: number;
  /** Failed checks in a row, up to now. */
  readonly failures: number;
  readonly problem: string;
}

function lastFailures(cell: CellId, release: ReleaseName, all: readonly CellCheck[]): Finding {
  const checks = all.filter((check) => check.cell === cell);
  const lastGood = checks.findLastIndex((check) => problemOf(check, release) === null);
  const last = checks.at(-1);
  const problem = last === undefined ? "was never checked" : (problemOf(last, release) ?? "as it should be");
  return { cell, checks: checks.length, failures: checks.length - 1 - lastGood, problem };
}

function problemOf(check: CellCheck, release: ReleaseName): string | null {
  if (!check.answered) return "does not answer";
  if (check.release !== release) return `runs ${check.release ?? "no release"} instead of ${release}`;
  if (!check.ready) return check.problems.length === 0 ? "is not ready" : `is not ready: ${check.problems.join(", ")}`;
  return null;
}
