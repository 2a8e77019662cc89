import type { CellCheck } from "../../common/contracts/bake.ts";
import type { GateFinding } from "../../common/contracts/rollout.ts";
import type { RolloutPolicy } from "../../common/contracts/rollout-policy.ts";
import type { CellId } from "../../common/ids.ts";
import type { BakeSamples } from "./bake-samples.ts";
import { gateFinding, type Found } from "./finding.ts";
import { judgingOf } from "./judging.ts";

/** A queue that is full for one look is a burst. */
const looksInARow = 3;

const formula =
  "a person decides if the oldest waiting job is older than queueSeconds in looksInARow looks, each older than the one before, or if dead letters grew by deadLetters";

/**
 * The saturation gate: whether work piles up behind answers that are still good: B. Gregg's USE method ("Thinking Methodically about Performance",
 * ACM Queue 10/12, 2012) takes the length of queues as the sign of saturation. A release to blame or a customer's flood look alike, so a person decides.
 */
export function judgeSaturation(samples: BakeSamples, policy: RolloutPolicy): GateFinding {
  const { queueSeconds, deadLetters } = judgingOf(policy);
  const found = samples.cells.map(({ cell }) => ofCell(cell, samples.checks, queueSeconds, deadLetters));
  return gateFinding("saturation", formula, { queueSeconds, deadLetters, looksInARow }, found);
}

function ofCell(cell: CellId, checks: readonly CellCheck[], queueSeconds: number, deadLetters: number): Found {
  const queues = checks.flatMap((check) => (check.cell === cell && check.queue !== undefined ? check.queue : []));
  const [first, last] = [queues[0], queues.at(-1)];
  const say = (outcome: Found["outcome"], reason: string, numbers: Found["numbers"]): Found => ({
    outcome,
    traffic: "none",
    reason: `${cell}: ${reason}`,
    numbers,
  });
  if (first === undefined || last === undefined) return say("not-applicable", "its queue is not known", {});

  const numbers = { oldestSeconds: Math.round(last.oldestSeconds), newDeadLetters: last.dead - first.dead };
  if (numbers.newDeadLetters >= deadLetters)
    return say("decide", `${numbers.newDeadLetters} new dead letters`, numbers);
  const newest = queues.slice(-looksInARow).map(({ oldestSeconds }) => oldestSeconds);
  const grows = newest.every((age, n) => age > queueSeconds && (n === 0 || age > (newest[n - 1] ?? 0)));
  if (newest.length === looksInARow && grows)
    return say("decide", `jobs wait for ${numbers.oldestSeconds} seconds, and longer from look to look`, numbers);
  return say("pass", "its queue keeps up", numbers);
}
