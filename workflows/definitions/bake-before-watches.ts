import { condition, proxyActivities, sleep } from "@temporalio/workflow";
import type { CellCheck } from "../../common/contracts/bake.ts";
import type { BakeSamples } from "../../control-plane/rollout/bake-samples.ts";
import { judge } from "../../control-plane/rollout/judge.ts";
import { samplesNeeded } from "../../control-plane/rollout/synthetic-load.ts";
import { judgeHard } from "../../control-plane/rollout/judge-hard.ts";
import { extendWindow, openWindow, type TrafficWindow } from "../../control-plane/rollout/window.ts";
import type { RolloutInput, Verdict } from "../../common/contracts/rollout.ts";
import type { Journal } from "./journal.ts";
import { observeOptions, recordOptions } from "./options.ts";
import type { Observation, ObserveInput, RolloutSteps } from "./steps.ts";

const observing = proxyActivities<RolloutSteps>(observeOptions);
const record = proxyActivities<RolloutSteps>(recordOptions);

/** A look every two seconds; in long bakes rarer, so that a bake of hours stays within one workflow's history. */
const shortestTickMs = 2_000;
const longestTickMs = 60_000;
const ticksInABake = 60;

/** After a bake, so many more rounds of synthetic load where some of it did not arrive. */
const topUps = 3;

/** A waiting rollout is watched once a minute for a day: judging goes on, within one workflow's history. */
const watchEveryMs = 60_000;
const watches = 24 * 60;

// How rollouts that began before there were watches (bake.ts) are judged: the workflow's own history holds every observation. It goes when no such
// rollout can still run, with the histories of tests/workflow/histories that replay it.

/** Hard checks alone, until they pass or so many failed in a row that they FAIL. */
export async function verifyWave(input: RolloutInput, journal: Journal): Promise<void> {
  const watch = new Watch(input, journal);
  while (journal.progress.state === "verifying") {
    await watch.look([], 0);
    if (journal.progress.state !== "verifying") return;
    const verdict = judgeHard(watch.samples(false), input.plan.policy);
    if (verdict.verdict === "FAIL") return await failOn(verdict, input, journal);
    if (verdict.verdict === "PASS") return journal.learn({ kind: "wave-verified" });
    await condition(() => journal.progress.state !== "verifying", shortestTickMs);
  }
}

/** Watches the wave for its bake, adding synthetic load where samples are lacking; the first FAIL ends it at once. */
export async function bakeWave(input: RolloutInput, journal: Journal): Promise<void> {
  const { number, bakeSeconds } = journal.wave;
  const { policy } = input.plan;
  const lengthMs = bakeSeconds * 1_000;
  const tickMs = Math.min(longestTickMs, Math.max(shortestTickMs, lengthMs / ticksInABake));
  const ticks = Math.max(1, Math.round(lengthMs / tickMs));
  journal.waveIs(number, "baking", new Date(new Date().getTime() + ticks * tickMs).toISOString());

  const watch = new Watch(input, journal);
  await watch.look([], 0);
  for (let tick = 1; tick <= ticks; tick += 1) {
    // The load is due one tick before the end, so that the last looks still see it counted.
    const load = samplesNeeded(watch.samples(false), policy, tick / Math.max(1, ticks - 1));
    await Promise.all([watch.look(load, tickMs / 2), sleep(tickMs)]);
    if (await stopped(judge(watch.samples(false), policy), input, journal)) return;
  }
  for (let round = 0; round < topUps; round += 1) {
    const load = samplesNeeded(watch.samples(true), policy, 1);
    if (load.length === 0) break;
    await watch.look(load, shortestTickMs / 2);
    if (await stopped(judge(watch.samples(false), policy), input, journal)) return;
  }
  const verdict = judge(watch.samples(true), policy);
  if (await stopped(verdict, input, journal)) return;
  if (verdict.verdict === "PASS") journal.waveIs(number, "passed");
  journal.learn({ kind: "judged", verdict }, { wave: number, reason: verdict.reason, verdict });
}

/** Judging goes on while a person is waited for: a FAIL is acted on, anything else stays the person's. */
export async function waitAndWatch(input: RolloutInput, journal: Journal): Promise<void> {
  const isWaiting = (): boolean => journal.progress.state === "waiting";
  const watch = new Watch(input, journal);
  for (let round = 0; round < watches; round += 1) {
    await watch.look([], 0);
    if (!isWaiting()) return;
    const verdict = judge(watch.samples(true), input.plan.policy);
    if (verdict.verdict === "FAIL") return await failOn(verdict, input, journal);
    if (await condition(() => !isWaiting(), watchEveryMs)) return;
  }
  await condition(() => !isWaiting());
}

/** Whether the bake is at its end: a command changed the state, or the verdict is FAIL and has been acted on. */
async function stopped(verdict: Verdict, input: RolloutInput, journal: Journal): Promise<boolean> {
  if (journal.progress.state !== "baking") return true;
  if (verdict.verdict !== "FAIL") return false;
  await failOn(verdict, input, journal);
  return true;
}

async function failOn(verdict: Verdict, input: RolloutInput, journal: Journal): Promise<void> {
  const { number } = journal.wave;
  const { state } = journal.progress;
  await record.quarantineRelease({ release: input.plan.release, reason: verdict.reason });
  // A command that came meanwhile is already acting; the verdict is kept all the same.
  if (journal.progress.state !== state) return journal.remark(verdict);
  journal.waveIs(number, "failed");
  journal.learn({ kind: "judged", verdict }, { wave: number, reason: verdict.reason, verdict });
}

/** What was seen of a wave since the watch began. */
class Watch {
  readonly #cells: BakeSamples["cells"];
  readonly #checks: CellCheck[] = [];
  #window: TrafficWindow | null = null;
  #sources: readonly string[] = [];
  #missing: readonly string[] = [];

  constructor(input: RolloutInput, journal: Journal) {
    this.#cells = journal.wave.cells.map(({ cell }) => ({ cell, release: input.plan.release }));
  }

  /** Adds a look. One that could not be taken is itself an observation: then nobody was heard. */
  async look(load: ObserveInput["load"], overMs: number): Promise<void> {
    const seen = await this.#observe(load, overMs);
    this.#checks.push(...seen.checks);
    this.#window = this.#window === null ? openWindow(seen.readings) : extendWindow(this.#window, seen.readings);
    this.#sources = seen.sources;
    this.#missing = seen.missing;
  }

  samples(over: boolean): BakeSamples {
    const counters = this.#window?.counters ?? [];
    return { cells: this.#cells, checks: this.#checks, counters, sources: this.#sources, missing: this.#missing, over };
  }

  async #observe(load: ObserveInput["load"], overMs: number): Promise<Observation> {
    try {
      return await observing.observeWave({ cells: this.#cells, load, overMs });
    } catch {
      // Why it could not be taken stands in the workflow's history, with the failed activity.
      return { checks: [], readings: [], sources: [], missing: ["observation"] };
    }
  }
}
