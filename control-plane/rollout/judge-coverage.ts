import type { GateFinding, Verdict } from "../../common/contracts/rollout.ts";
import type { RolloutPolicy } from "../../common/contracts/rollout-policy.ts";
import type { BakeSamples } from "./bake-samples.ts";
import { gateFinding, verdictOf, type Found } from "./finding.ts";
import { judgingOf } from "./judging.ts";

const formula =
  "a person decides after toolErrorsInARow looks in a row that could not be taken; open while the last look failed, or lacked a router, or had only old readings of one";

/**
 * Whether the samples can carry a verdict at all. A look that failed, or in which nobody answered, says nothing about the release: the
 * tool is tried again a bounded number of times, and then a person decides.
 */
export function judgeCoverage(samples: BakeSamples, policy: RolloutPolicy): GateFinding {
  const { toolErrorsInARow, staleSeconds } = judgingOf(policy);
  const looks = samples.looks ?? [];
  const toolErrors = looks.length - 1 - looks.findLastIndex(({ error }) => error === null);
  const stale = looks.at(-1)?.stale ?? [];
  const numbers = {
    looks: looks.length,
    toolErrors,
    heard: samples.sources.length,
    missing: samples.missing.length,
    stale: stale.length,
  };
  const say = (outcome: Found["outcome"], reason: string): GateFinding =>
    gateFinding("coverage", formula, { toolErrorsInARow, staleSeconds }, [
      { outcome, traffic: "none", reason, numbers },
    ]);
  if (toolErrors >= toolErrorsInARow)
    return say("decide", `${toolErrors} looks in a row could not be taken: ${looks.at(-1)?.error}`);
  if (toolErrors > 0) return say("open", `the last look could not be taken: ${looks.at(-1)?.error}`);
  if (samples.missing.length > 0) return say("open", `not heard: ${samples.missing.join(", ")}`);
  if (stale.length > 0) return say("open", `only old readings of ${stale.join(", ")}`);
  return say("pass", "everybody was heard");
}

/**
 * The verdict where looks could not even be written down: nothing is known, so that a person decides.
 * @param errors in a row, up to now.
 */
export function blindVerdict(errors: number, reason: string, policy: RolloutPolicy): Verdict {
  const { toolErrorsInARow, staleSeconds } = judgingOf(policy);
  const finding = gateFinding("coverage", formula, { toolErrorsInARow, staleSeconds }, [
    {
      outcome: "decide",
      traffic: "none",
      reason: `${errors} looks in a row could not be taken: ${reason}`,
      numbers: { toolErrors: errors },
    },
  ]);
  return { ...verdictOf("INCONCLUSIVE", finding, { sources: [], missing: ["observation"] }, [finding]), urgent: true };
}
