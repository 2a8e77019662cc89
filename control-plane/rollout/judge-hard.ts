import type { RolloutPolicy, Verdict } from "../../common/contracts/rollout.ts";
import type { CellId, ReleaseName } from "../../common/ids.ts";
import type { BakeSamples, CellCheck } from "./bake-samples.ts";

/**
 * The hard gate: each cell answers, is ready and reports the release it should run. So many failures in a row fail at
 * once; a last check that failed, or no check at all, leaves it open.
 */
export function judgeHard(samples: BakeSamples, policy: RolloutPolicy): Verdict {
  const found = samples.cells.map(({ cell, release }) => lastFailures(cell, release, samples.checks));
  const failed = found.find(({ failures }) => failures >= policy.hardFailuresInARow);
  if (failed !== undefined) return verdict(samples, policy, "FAIL", `${failed.cell}: ${failed.problem}`, failed);

  const open = found.find(({ failures, checks }) => failures > 0 || checks === 0);
  if (open !== undefined) return verdict(samples, policy, "INCONCLUSIVE", `${open.cell}: ${open.problem}`, open);
  return verdict(samples, policy, "PASS", "every cell answers, is ready and runs the release", {
    checks: Math.min(...found.map(({ checks }) => checks), samples.checks.length),
    failures: 0,
  });
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

function verdict(
  samples: BakeSamples,
  policy: RolloutPolicy,
  kind: Verdict["verdict"],
  reason: string,
  found: { readonly checks: number; readonly failures: number },
): Verdict {
  return {
    verdict: kind,
    gate: "hard",
    traffic: "none",
    reason,
    formula:
      "FAIL if failuresInARow ≥ hardFailuresInARow; a check fails unless the cell answers, is ready and reports the release",
    thresholds: { hardFailuresInARow: policy.hardFailuresInARow },
    numbers: { checks: found.checks, failuresInARow: found.failures },
    sources: [...samples.sources],
    missing: [...samples.missing],
  };
}
