import type { Watch } from "../../common/contracts/bake.ts";
import type { Verdict } from "../../common/contracts/rollout.ts";
import type { RolloutPolicy } from "../../common/contracts/rollout-policy.ts";
import { judge } from "./judge.ts";
import { samplesOf } from "./looks.ts";

/** What a policy says of looks that were taken once. */
export interface Rejudged {
  readonly verdict: Verdict;
  /** When it would have been said, in seconds since the watch began: a FAIL at the first look that shows it, else at the last. */
  readonly afterSeconds: number;
}

/**
 * Judges a watch's looks as they came, one by one, by a policy that may be another than the rollout's. Pure: under the rollout's own policy the
 * answer is what was decided then, as far as it rests on these looks.
 */
export function rejudge(watch: Watch, policy: RolloutPolicy): Rejudged {
  for (let looks = 1; looks < watch.looks.length; looks += 1) {
    const verdict = judge(samplesOf({ ...watch, looks: watch.looks.slice(0, looks) }, false), policy);
    const decides = verdict.verdict === "FAIL" || verdict.urgent === true;
    if (decides) return { verdict, afterSeconds: watch.looks[looks - 1]?.seconds ?? 0 };
  }
  return { verdict: judge(samplesOf(watch, true), policy), afterSeconds: watch.looks.at(-1)?.seconds ?? 0 };
}
