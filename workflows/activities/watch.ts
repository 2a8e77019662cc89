import type { Clock } from "../../common/clock.ts";
import type { Watch } from "../../common/contracts/bake.ts";
import type { Verdict } from "../../common/contracts/rollout.ts";
import { CellplaneError } from "../../common/errors.ts";
import type { CellId } from "../../common/ids.ts";
import { judge } from "../../control-plane/rollout/judge.ts";
import { judgeHard } from "../../control-plane/rollout/judge-hard.ts";
import { judgingOf } from "../../control-plane/rollout/judging.ts";
import { earlierSamples, samplesOf, type Seen } from "../../control-plane/rollout/looks.ts";
import { samplesNeeded } from "../../control-plane/rollout/synthetic-load.ts";
import type { LookInput, RolloutSteps } from "../definitions/steps.ts";
import { observe, type ObserveDeps } from "./observe.ts";

/** What a watch needs beside the eyes. */
export type WatchDeps = ObserveDeps & { readonly clock: Clock };

type WatchSteps = Pick<RolloutSteps, "openWatch" | "takeLook" | "judgeEarlier">;
type Load = { readonly cell: CellId; readonly requests: number }[];

/**
 * Watches over waves. Every look is kept by the registry, and every verdict rests on what is kept: so it can be explained, made again under another
 * policy, and a workflow's history stays small however many cells a wave has.
 */
export function watchActivities(deps: WatchDeps): WatchSteps {
  return {
    async openWatch({ operation, watch }) {
      await deps.registry.openWatch(operation, watch);
    },

    async takeLook(input) {
      const { operation, number, look, policy } = input;
      const before = await deps.registry.watch(operation, number, look);
      const seen = await see(deps, before, loadFor(input, before), input.load?.overMs ?? 0);
      const time = { seconds: input.seconds, now: deps.clock.now() };
      const kept = await deps.registry.addLook({ operation, number, look }, seen, time, judgingOf(policy).staleSeconds);

      const watch = { ...before, looks: [...before.looks, kept] };
      const samples = samplesOf(watch, input.over);
      const verdict = input.gates === "hard" ? judgeHard(samples, policy) : judge(samples, policy);
      return {
        verdict: brief(verdict, input.over),
        lacking: loadFor({ ...input, load: wholeLoad(input) }, watch).length > 0,
      };
    },

    async judgeEarlier({ operation, number, policy }) {
      const watch = await deps.registry.watch(operation, number);
      return watch.earlier.map((earlier) => ({
        wave: earlier.wave,
        verdict: judge(earlierSamples(watch, earlier), policy),
      }));
    },
  };
}

/** Load that is due by now, in the wave's cells as planned, and in those of earlier waves, which are to be judged too. */
function loadFor({ load, policy }: Pick<LookInput, "load" | "policy">, watch: Watch): Load {
  if (load === null) return [];
  const planned = new Map(load.planned.map(({ cell, requests }) => [cell, requests]));
  const cells = load.to === "all" ? allCells(watch) : watch.earlier.flatMap((earlier) => earlier.cells);
  return [...samplesNeeded({ ...samplesOf(watch, false), cells }, policy, load.share, planned)];
}

function wholeLoad({ load }: Pick<LookInput, "load">): LookInput["load"] {
  return { to: "all", share: 1, planned: load?.planned ?? [], overMs: 0 };
}

/** What can be seen now. What keeps all from being seen is an observation too; it says nothing about the cells. */
async function see(deps: ObserveDeps, watch: Watch, load: Load, overMs: number): Promise<Seen> {
  const controls = watch.comparison?.controls ?? [];
  try {
    const { checks, readings, missing } = await observe(deps, { cells: allCells(watch), controls, load, overMs });
    return { checks, readings, missing, error: null };
  } catch (error) {
    if (!(error instanceof CellplaneError)) throw error;
    return { checks: [], readings: [], missing: [], error: error.message };
  }
}

function allCells(watch: Watch): Watch["cells"] {
  return [...watch.cells, ...watch.earlier.flatMap(({ cells }) => cells)];
}

/** What a look in mid-bake found stands in the registry; the workflow's history need not have it again. */
function brief(verdict: Verdict, over: boolean): Verdict {
  if (over || verdict.verdict !== "INCONCLUSIVE" || verdict.urgent === true) return verdict;
  const { gates: _gates, ...rest } = verdict;
  return rest;
}
