import type { GateFinding } from "../../common/contracts/rollout.ts";
import type { RolloutPolicy } from "../../common/contracts/rollout-policy.ts";
import type { BakeSamples } from "./bake-samples.ts";
import { gateFinding, type Found } from "./finding.ts";
import { judgingOf } from "./judging.ts";
import { customersOf } from "./traffic-counts.ts";

/** Of less traffic nothing can be said: customers come and go. */
const leastExpected = 100;

const formula =
  "expected = requests / seconds before the deploy × seconds of the bake × (requests of the controls / those expected by the same rule); " +
  "a person decides if requests < trafficShare × expected, with expected ≥ leastExpected";

/**
 * The drop gate: a release that customers do not get through to has no errors to show. What all cells lack (night, a holiday) is taken out by
 * the controls; what is left may be the release or the customers, so a person decides.
 */
export function judgeDrop(samples: BakeSamples, policy: RolloutPolicy): GateFinding {
  const { trafficShare } = judgingOf(policy);
  const { comparison, cells } = samples;
  const looks = (samples.looks ?? []).filter((look) => look.error === null);
  const seconds = looks.at(-1)?.seconds ?? 0;
  const before = comparison?.before ?? [];
  const rateOf = (cell: string): number => {
    const known = before.find((one) => one.cell === cell);
    return known === undefined || known.seconds === 0 ? 0 : known.requests / known.seconds;
  };
  const controls = comparison?.controls ?? [];
  const controlExpected = controls.reduce((sum, cell) => sum + rateOf(cell) * seconds, 0);
  const controlSeen = controls.reduce((sum, cell) => sum + seenOf(cell, null), 0);
  // Too little traffic there says nothing about the day: then a cell is compared with itself alone.
  const shift = controlExpected < leastExpected ? 1 : controlSeen / controlExpected;

  function seenOf(cell: BakeSamples["cells"][number]["cell"], release: BakeSamples["cells"][number]["release"] | null) {
    return looks.reduce((sum, look) => sum + customersOf(look, cell, release).requests, 0);
  }

  const found = cells.map(({ cell, release }): Found => {
    const expected = Math.round(rateOf(cell) * seconds * shift);
    const requests = seenOf(cell, release);
    const numbers = { requests, expected };
    const say = (outcome: Found["outcome"], reason: string): Found => ({ outcome, traffic: "real", reason, numbers });
    if (expected < leastExpected) return say("not-applicable", `${cell}: it had too little traffic to miss any`);
    if (requests >= trafficShare * expected) return say("pass", `${cell}: its customers are there`);
    return say("decide", `${cell}: ${requests} requests of customers where ${expected} were to be expected`);
  });
  return gateFinding("drop", formula, { trafficShare, leastExpected }, found);
}
