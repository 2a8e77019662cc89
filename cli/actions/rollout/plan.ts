import type { CalendarWindow } from "../../../common/contracts/calendar.ts";
import type { PlanRollout } from "../../../common/contracts/rollout-records.ts";
import type { PlannedWave, RolloutPlan } from "../../../common/contracts/rollout.ts";
import type { RolloutPolicy } from "../../../common/contracts/rollout-policy.ts";
import type { ReleaseName } from "../../../common/ids.ts";
import type { Answer, Context } from "../../context.ts";
import { readJson } from "../../json-file.ts";
import { duration } from "../../text.ts";

/** The options that shape a policy, of `rollout plan` and `rollout start`. */
export interface PolicyInput {
  readonly timeScale?: number;
  readonly canaryCells?: number;
  readonly waves?: number[];
  readonly bake?: number[];
  /** Path of a JSON file with any members of a policy. */
  readonly policy?: string;
}

/** The policy that the options ask for: the file's, and over it what stands on the command line. */
export function policyOf(input: PolicyInput): Partial<RolloutPolicy> {
  return {
    ...(input.policy === undefined ? {} : (readJson(input.policy) as Partial<RolloutPolicy>)),
    ...(input.timeScale === undefined ? {} : { timeScale: input.timeScale }),
    ...(input.canaryCells === undefined ? {} : { canaryCells: input.canaryCells }),
    ...(input.waves === undefined ? {} : { percentages: input.waves }),
    ...(input.bake === undefined ? {} : { bakeSeconds: input.bake }),
  };
}

/** `rollout plan` */
export async function planRollout(
  context: Context,
  input: PolicyInput & { readonly release: string },
): Promise<Answer> {
  const plane = await context.controlPlane();
  const policy = policyOf(input);
  const body: PlanRollout = {
    release: input.release as ReleaseName,
    ...(Object.keys(policy).length === 0 ? {} : { policy }),
  };
  const plan = await plane.post<RolloutPlan>("/v1/rollouts/plans", body);
  return { json: plan, text: planText(plan).join("\n") };
}

/** A plan for people, one string a line. Pure. */
export function planText(plan: RolloutPlan): string[] {
  const { release, kind = "application", migrationClass, policy, waves, expectedSeconds, hash } = plan;
  const { approvals, blastRadius, freezes = [] } = policy;
  const limits = [
    blastRadius?.tenants === undefined ? "" : `${blastRadius.tenants} customers`,
    blastRadius?.percent === undefined ? "" : `${blastRadius.percent} % of all customers`,
  ].filter((text) => text !== "");
  return [
    `${release}  ${kind}, migrations: ${migrationClass ?? "none"}`,
    ...waves.flatMap((wave) => ["", ...waveLines(wave)]),
    "",
    `expected   ${duration(expectedSeconds)}, if nobody and no window is waited for`,
    ...(limits.length === 0 ? [] : [`exposure   at most ${limits.join(" and ")} within an hour`]),
    ...(approvals === undefined
      ? []
      : [
          `approvals  ${approvals.required} of ${approvals.of.length === 0 ? "anybody but the requester" : approvals.of.join(", ")}, before wave ${approvals.waves.join(", ")}`,
        ]),
    ...freezes.map((window) => `freeze     ${windowText(window)}`),
    `plan       ${hash}`,
    "",
    `Start exactly this with:  npx cellplane rollout start ${release} --plan ${hash}`,
  ];
}

function waveLines(wave: PlannedWave): string[] {
  const { number, cells, tenantsAtRisk, bakeSeconds, startsAfterSeconds = 0, power = [] } = wave;
  const tiers = Object.entries(tenantsAtRisk).map(([tier, count]) => `${count} ${tier}`);
  const starts = startsAfterSeconds === 0 ? "at once" : `after ${duration(startsAfterSeconds)}`;
  const quiet = power.filter(({ comparable }) => !comparable);
  return [
    `${number === 1 ? "wave 1 (canary)" : `wave ${number}`}  ${counted(cells.length, "cell")}, ${starts}, bake ${duration(bakeSeconds)}; ` +
      `customers at risk: ${tiers.length === 0 ? "none" : tiers.join(", ")}`,
    ...cells.flatMap((cell) => [
      `  ${cell.cell.padEnd(13)} ${cell.from ?? "nothing"} → ${cell.to}  ${counted(cell.tenants, "customer")}`,
      ...(cell.maintenance ?? []).map((window) => `    only        ${windowText(window)}`),
    ]),
    `  gates: hard, absolute, burn, latency, saturation, drop; relative for ${power.length - quiet.length} of ${counted(cells.length, "cell")}`,
    ...quiet.map(
      ({ cell, reason, syntheticPerSecond }) =>
        `    ${cell}: ${reason}; synthetic load of ${rounded(syntheticPerSecond)}/s will be added`,
    ),
  ];
}

export function windowText(window: CalendarWindow): string {
  if ("since" in window) return `${window.name}: ${window.since} to ${window.until}`;
  const days = window.days.length === 0 ? "every day" : window.days.join(", ");
  return `${window.name}: ${days} ${window.from}–${window.to} ${window.timeZone}`;
}

function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
