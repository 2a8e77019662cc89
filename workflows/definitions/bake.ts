import { condition, proxyActivities, sleep } from "@temporalio/workflow";
import type { RolloutInput, Verdict } from "../../common/contracts/rollout.ts";
import type { Journal } from "./journal.ts";
import { catchUp, withoutCatchUps } from "./members.ts";
import { recordOptions } from "./options.ts";
import { askHolderAgainMs, isFree } from "./holders.ts";
import { isLong } from "./next-run.ts";
import type { LoadInput, RolloutSteps } from "./steps.ts";
import { openWatch, watchThrough } from "./wave-watch.ts";

const record = proxyActivities<RolloutSteps>(recordOptions);

/** A look every two seconds; in long bakes rarer, so that a bake of hours stays within one workflow's history. */
const shortestTickMs = 2_000;
const longestTickMs = 60_000;
const ticksInABake = 60;

/** After a bake, so many more rounds of synthetic load where some of it did not arrive. */
const topUps = 3;

/** A waiting rollout is watched once a minute, for a day: what has shown nothing by then is looked at when it goes on. */
const watchEveryMs = 60_000;
const watches = 24 * 60;

/** Hard checks alone, until they pass or so many failed in a row that they FAIL. */
export async function verifyWave(input: RolloutInput, journal: Journal): Promise<void> {
  const watch = openWatch(input, journal, "verify", journal.deployedIn(journal.wave.number));
  while (journal.progress.state === "verifying") {
    const { verdict } = await watch.look({ gates: "hard", over: false, load: null });
    if (journal.progress.state !== "verifying") return;
    if (verdict.verdict === "FAIL") return await failOn(verdict, input, journal);
    if (verdict.verdict === "PASS") return journal.learn({ kind: "wave-verified" });
    await condition(() => journal.progress.state !== "verifying", shortestTickMs);
  }
}

/** Watches the wave for its bake, adding synthetic load where samples are lacking; the first FAIL ends it at once. */
export async function bakeWave(input: RolloutInput, journal: Journal): Promise<void> {
  const { number, bakeSeconds, power = [] } = journal.wave;
  const lengthMs = bakeSeconds * 1_000;
  const tickMs = tickOf(lengthMs);
  const ticks = Math.max(1, Math.round(lengthMs / tickMs));
  const unfinished = journal.watches.take("bake");
  const plannedEnd = unfinished?.plannedEnd ?? new Date().getTime() + ticks * tickMs;
  if (unfinished === null) journal.waveIs(number, "baking", new Date(plannedEnd).toISOString());

  const planned = power.map(({ cell, syntheticPerSecond }) => ({
    cell,
    requests: Math.ceil(syntheticPerSecond * bakeSeconds),
  }));
  const cells = journal.deployedIn(number);
  const watch = watchThrough(input, journal, unfinished?.open ?? journal.watches.begin(number), "bake", cells);
  const loadUpTo = (share: number, overMs: number): LoadInput => ({ to: "all", share, planned, overMs });
  if (unfinished === null) await watch.look({ gates: "all", over: false, load: null });
  const isOver = (): boolean => journal.progress.bakeEnded || journal.progress.state !== "baking";
  // What people have added to the bake is looked at as often as a bake of that length.
  const extraMs = (): number => journal.progress.bakeExtraSeconds * 1_000;
  const leftMs = (): number => plannedEnd + extraMs() - new Date().getTime();
  const goesOn = (tick: number): boolean =>
    !journal.progress.bakeEnded && (tick <= ticks || (extraMs() > 0 && leftMs() > 0));
  for (let tick = unfinished?.tick ?? 1; goesOn(tick); tick += 1) {
    if (isLong(input, journal))
      return journal.watches.leave({ purpose: "bake", watch: watch.number, tick, plannedEnd });
    const lastsMs = tick <= ticks ? tickMs : Math.ceil(Math.min(leftMs(), tickOf(extraMs())));
    // The load is due one tick before the end, so that the last looks still see it counted.
    const load = loadUpTo(Math.min(1, tick / Math.max(1, ticks - 1)), tickMs / 2);
    const [{ verdict }] = await Promise.all([
      watch.look({ gates: "all", over: false, load }),
      journal.abilities.commands ? condition(isOver, lastsMs) : sleep(lastsMs),
    ]);
    if (await stopped(verdict, input, journal)) return;
  }
  let last = await watch.look({ gates: "all", over: true, load: null });
  for (let round = 0; round < topUps && last.lacking; round += 1) {
    if (await stopped(last.verdict, input, journal)) return;
    await watch.look({ gates: "all", over: false, load: loadUpTo(1, shortestTickMs / 2) });
    last = await watch.look({ gates: "all", over: true, load: null });
  }
  const { verdict } = last;
  if (await stopped(verdict, input, journal)) return;
  if (verdict.verdict === "PASS") {
    await catchUp(input, journal);
    if (journal.progress.state !== "baking") return journal.remark(verdict);
    journal.waveIs(number, "passed");
  }
  journal.learn({ kind: "judged", verdict }, { wave: number, reason: verdict.reason, verdict });
}

/**
 * Waits until a person or the time ends the wait. Judging goes on meanwhile: a FAIL of the cells that have the release is acted on,
 * anything else stays the person's.
 */
export async function waitAndWatch(input: RolloutInput, journal: Journal): Promise<void> {
  const isWaiting = (): boolean => journal.progress.state === "waiting";
  const cells = journal.cells.filter(({ step }) => step === "deployed").map(({ cell }) => cell);
  const unfinished = journal.watches.take("wait");
  const opened = unfinished?.open ?? (cells.length === 0 ? null : journal.watches.begin(journal.wave.number));
  const watch = opened === null ? null : watchThrough(input, journal, opened, "wait", cells);
  for (let round = unfinished?.tick ?? 0; isWaiting(); round += 1) {
    if (isLong(input, journal))
      return journal.watches.leave({ purpose: "wait", watch: watch?.number ?? null, tick: round, plannedEnd: 0 });
    const { waitUntil } = journal.progress;
    const left = waitUntil === null ? Infinity : waitUntil - new Date().getTime();
    if (left <= 0) return journal.timeIsUp();
    if (watch !== null && round < watches) {
      const { verdict } = await watch.look({ gates: "all", over: true, load: null });
      if (!isWaiting()) return;
      if (verdict.verdict === "FAIL") return await failOn(verdict, input, journal);
    }
    const forHolder = journal.abilities.yields && journal.progress.waitingFor === "moves";
    if (forHolder && (await isFree(input, journal))) return;
    const until = Math.min(left, forHolder ? askHolderAgainMs : Infinity);
    const pause = Math.min(until, watch !== null && round < watches ? watchEveryMs : Infinity);
    await (pause === Infinity ? condition(() => !isWaiting()) : condition(() => !isWaiting(), pause));
  }
}

function tickOf(bakeMs: number): number {
  return Math.min(longestTickMs, Math.max(shortestTickMs, bakeMs / ticksInABake));
}

/** Whether the bake is at its end: a command changed the state, or the verdict does not wait and has been acted on. */
async function stopped(verdict: Verdict, input: RolloutInput, journal: Journal): Promise<boolean> {
  if (journal.progress.state !== "baking") return true;
  if (verdict.urgent === true) {
    journal.learn({ kind: "judged", verdict }, { wave: journal.wave.number, reason: verdict.reason, verdict });
    return true;
  }
  if (verdict.verdict !== "FAIL") return false;
  await failOn(verdict, input, journal);
  return true;
}

async function failOn(verdict: Verdict, input: RolloutInput, journal: Journal): Promise<void> {
  const { number } = journal.wave;
  const { state } = journal.progress;
  await record.quarantineRelease({ release: input.plan.release, reason: verdict.reason });
  withoutCatchUps(input, journal);
  // A command that came meanwhile is already acting; the verdict is kept all the same.
  if (journal.progress.state !== state) return journal.remark(verdict);
  if (journal.deployedIn(number).length > 0) journal.waveIs(number, "failed");
  journal.learn({ kind: "judged", verdict }, { wave: number, reason: verdict.reason, verdict });
}
