import type { JudgingPolicy, RolloutPolicy } from "../../common/contracts/rollout-policy.ts";

/**
 * Defaults of the gates. Burn rates and windows are those of the SRE Workbook (see judge-burn.ts) for three nines. One false FAIL
 * in a hundred waves, because a FAIL costs a night's release and a look by a person; a doubling of errors is what one wants to
 * see, at the four in five that power is usually set to (Cohen 1988); a quarter slower is Kayenta's usual tolerance.
 */
export const defaultJudging: JudgingPolicy = {
  sloObjective: 0.999,
  fastBurn: 14.4,
  slowBurn: 6,
  falseFail: 0.01,
  leastRatio: 1.5,
  detectRatio: 2,
  detectPower: 0.8,
  latencyRatio: 1.25,
  latencySignificance: 0.01,
  queueSeconds: 60,
  deadLetters: 5,
  trafficShare: 0.5,
  staleSeconds: 30,
  toolErrorsInARow: 5,
  syntheticPerSecond: 20,
};

/** What a plan's gates go by; plans of before these gates go by the defaults. */
export function judgingOf(policy: Pick<RolloutPolicy, "judging">): JudgingPolicy {
  return { ...defaultJudging, ...policy.judging };
}

// Fewer bad requests than this never stop a bake early: they can be one hiccup in a window that is still short.
export const badRequestsToStop = 5;

export function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.1 ? 2 : 1)} %`;
}
