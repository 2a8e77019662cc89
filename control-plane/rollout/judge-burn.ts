import type { Look } from "../../common/contracts/bake.ts";
import type { GateFinding } from "../../common/contracts/rollout.ts";
import type { RolloutPolicy } from "../../common/contracts/rollout-policy.ts";
import type { BakeSamples } from "./bake-samples.ts";
import { gateFinding, type Found } from "./finding.ts";
import { badRequestsToStop, judgingOf } from "./judging.ts";
import { countedOf, lastLooks } from "./traffic-counts.ts";

/** Long and short window of either alert, in seconds before scaling. */
const windows = { fast: [3_600, 300], slow: [21_600, 1_800] } as const;

const formula =
  "burn = errors / requests / (1 − sloObjective), over a long window and a short one, with at least badRequestsToStop errors in each; " +
  "FAIL if both > fastBurn (1 h, 5 min); a person decides if both > slowBurn (6 h, 30 min)";

/**
 * The burn gate: how many times faster than even the error budget is used up, by several windows at several rates, so that it is both quick and
 * not easily fooled: B. Beyer et al. (ed.), The Site Reliability Workbook, 2018, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts"; 14.4 times
 * over an hour uses 2 % of a month's budget, 6 times over six hours 5 %. A window that is longer than the bake so far ends where the bake
 * began, because what came before was another release. `timeScale` shortens the windows as it does the bakes. Each cell, real and
 * synthetic traffic apart.
 */
export function judgeBurn(samples: BakeSamples, policy: RolloutPolicy): GateFinding {
  const { sloObjective, fastBurn, slowBurn } = judgingOf(policy);
  const looks = (samples.looks ?? []).filter((look) => look.error === null);
  const found = samples.cells.flatMap(({ cell, release }) =>
    (["real", "synthetic"] as const).map((traffic): Found => {
      const burn = (name: keyof typeof windows): Burn[] =>
        windows[name].map((seconds) => {
          const within = lastLooks(looks, seconds * policy.timeScale);
          return burnOf(within, sloObjective, (look) => countedOf(look.counters, cell, release, traffic));
        });
      const [fast, slow] = [burn("fast"), burn("slow")];
      const numbers = {
        fastLong: rate(fast[0]),
        fastShort: rate(fast[1]),
        slowLong: rate(slow[0]),
        slowShort: rate(slow[1]),
      };
      const say = (outcome: Found["outcome"], reason: string): Found => ({ outcome, traffic, reason, numbers });
      const text = (speed: Burn[]): string =>
        `${cell}, ${traffic} traffic: the error budget is used up ${speed.map(({ rate: times }) => times.toFixed(1)).join(" and ")} times too fast`;
      if (exceeds(fast, fastBurn)) return say("fail", text(fast));
      if (exceeds(slow, slowBurn)) return say("decide", text(slow));
      return say(empty(slow) ? "not-applicable" : "pass", `${cell}, ${traffic} traffic: the error budget is kept`);
    }),
  );
  return gateFinding("burn", formula, { sloObjective, fastBurn, slowBurn, badRequestsToStop }, found);
}

interface Burn {
  readonly requests: number;
  readonly errors: number;
  readonly rate: number;
}

function burnOf(looks: readonly Look[], objective: number, count: (look: Look) => Counted | null): Burn {
  let requests = 0;
  let errors = 0;
  for (const look of looks) {
    const counted = count(look);
    requests += counted?.requests ?? 0;
    errors += counted?.errors ?? 0;
  }
  return { requests, errors, rate: requests === 0 ? 0 : errors / requests / (1 - objective) };
}

type Counted = { readonly requests: number; readonly errors: number };

function exceeds(burns: readonly Burn[], limit: number): boolean {
  return burns.every(({ errors, rate: times }) => errors >= badRequestsToStop && times > limit);
}

function empty(burns: readonly Burn[]): boolean {
  return burns.every(({ requests }) => requests === 0);
}

function rate(burn: Burn | undefined): number {
  return Math.round((burn?.rate ?? 0) * 100) / 100;
}
