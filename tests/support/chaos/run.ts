import { setTimeout as sleep } from "node:timers/promises";
import type { Rollout } from "../../../common/contracts/rollout.ts";
import { isFinal } from "../../../control-plane/rollout/progress.ts";
import { generator } from "../../unit/rollout/random.ts";
import { type ChaosStage, type VictimName, victimNames } from "./stage.ts";

/** One `kill -9`, counted from the rollout's beginning, and how long the killed one stays down. */
export interface Death {
  readonly victim: VictimName;
  readonly atMs: number;
  readonly downMs: number;
}

/** What can be said of a rollout and its fleet when all is over, without names, times and slots: equal for equal ends. */
export interface End {
  readonly state: string;
  readonly waves: readonly string[];
  readonly cells: readonly string[];
  /** Every entry of the history, sorted: cells of a wave settle in any order. */
  readonly history: readonly string[];
  /** What was really changed in the cells. */
  readonly effects: readonly string[];
  readonly standing: readonly string[];
  readonly claims: number;
  readonly isCurrent: boolean;
}

export interface ChaosRun {
  readonly end: End;
  readonly tookMs: number;
  /** Deaths while the rollout was under way. */
  readonly struck: number;
}

const deathsARun = 3;
/** A rollout of three cells takes about as long when nobody dies. */
const horizonMs = 9_000;
const longestDownMs = 2_000;
/** After the last death: heartbeats time out after 8 s, and steps are tried again soon. */
const endsWithinMs = 120_000;

const policy = {
  canaryCells: 1,
  percentages: [100],
  bakeSeconds: [1],
  timeScale: 1,
  minimumSamples: 10,
  cellsAtOnce: 20,
};

/** Who dies when: the same for the same seed. */
export function deathsOf(seed: number): Death[] {
  const random = generator(seed);
  const pick = (): VictimName => victimNames[Math.floor(random() * victimNames.length)] ?? "worker";
  return Array.from({ length: deathsARun }, () => ({
    victim: pick(),
    atMs: Math.round(random() * horizonMs),
    downMs: Math.round(random() * longestDownMs),
  })).toSorted((a, b) => a.atMs - b.atMs);
}

/** Rolls `to` out while these die, and waits for its end. @throws Error when it does not end in time. */
export async function chaosRun(stage: ChaosStage, to: string, deaths: readonly Death[]): Promise<ChaosRun> {
  stage.cells.effects.length = 0;
  const begun = performance.now();
  const { id } = await stage.call<Rollout>("POST", "/v1/rollouts", { release: to, policy });
  let isOver = false;
  let struck = 0;
  const dying = (async () => {
    for (const { victim, atMs, downMs } of deaths) {
      await sleep(Math.max(0, atMs - (performance.now() - begun)));
      if (!isOver) struck += 1;
      await stage.victims[victim].kill();
      await sleep(downMs);
      await stage.victims[victim].start();
    }
  })();
  const rollout = await ended(stage, id).finally(() => (isOver = true));
  const tookMs = performance.now() - begun;
  await dying;
  return { end: await endOf(stage, rollout, to), tookMs, struck };
}

async function ended(stage: ChaosStage, id: string): Promise<Rollout> {
  const until = performance.now() + horizonMs + endsWithinMs;
  for (;;) {
    const rollout = await stage.call<Rollout>("GET", `/v1/rollouts/${id}`);
    if (isFinal(rollout.state)) return rollout;
    if (performance.now() > until) throw new Error(`it did not end: ${JSON.stringify(rollout)}`);
    await sleep(100);
  }
}

async function endOf(stage: ChaosStage, rollout: Rollout, to: string): Promise<End> {
  const { currentRelease, claims } = await settled(stage);
  const named = (text: string): string =>
    text.replaceAll(/pulse@\d+/g, (release) => (release === to ? "the new" : "the old"));
  return {
    state: rollout.state,
    waves: rollout.waves.map(({ number, state, cells }) => `${number} ${state}: ${cells.join(" ")}`),
    cells: rollout.cells.map(({ cell, wave, step, error }) => `${cell} ${wave} ${step} ${error ?? ""}`).toSorted(),
    history: rollout.history
      .map(({ event, wave, cell, verdict }) => `${wave} ${event} ${cell ?? ""} ${verdict?.verdict ?? ""}`.trim())
      .toSorted(),
    effects: stage.cells.effects.map(named).toSorted(),
    standing: (await stage.cells.standing()).map(named),
    claims,
    isCurrent: currentRelease === to,
  };
}

/** The registry after the workflow's last word: claims are given back just after the final state was told. */
async function settled(stage: ChaosStage): ReturnType<ChaosStage["registry"]> {
  const until = performance.now() + endsWithinMs;
  for (;;) {
    const registry = await stage.registry();
    if (registry.claims === 0 || performance.now() > until) return registry;
    await sleep(100);
  }
}
