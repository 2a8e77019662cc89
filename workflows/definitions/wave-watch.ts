import { proxyActivities, rootCause } from "@temporalio/workflow";
import { blindVerdict } from "../../control-plane/rollout/judge-coverage.ts";
import { judgingOf } from "../../control-plane/rollout/judging.ts";
import type { WatchRequest } from "../../control-plane/rollout/looks.ts";
import type { WatchPurpose } from "../../common/contracts/bake.ts";
import type { RolloutInput } from "../../common/contracts/rollout.ts";
import type { CellId } from "../../common/ids.ts";
import type { OpenWatch } from "./carried.ts";
import type { Journal } from "./journal.ts";
import { lookOptions } from "./options.ts";
import type { LookInput, LookResult, RolloutSteps } from "./steps.ts";

const looking = proxyActivities<RolloutSteps>(lookOptions);

/** The first cells of the fleet that are still untouched are compared with; more would add traffic to count, and little certainty. */
const mostControls = 20;

/** A watch over a wave and the ones before it. Its looks are kept by the registry; here are only their numbers. */
export interface WaveWatch {
  readonly number: number;
  /** Takes a look. One that cannot be taken is tried again at the next; after some in a row a person decides. */
  look(what: Pick<LookInput, "gates" | "over" | "load">): Promise<LookResult>;
}

/** Begins a watch over cells of the wave at hand. It is written down with its first look. */
export function openWatch(
  input: RolloutInput,
  journal: Journal,
  purpose: WatchPurpose,
  cells: readonly CellId[],
): WaveWatch {
  return watchThrough(input, journal, journal.watches.begin(journal.wave.number), purpose, cells);
}

/** Looks through a watch, of this run of the workflow or of the one before. */
export function watchThrough(
  input: RolloutInput,
  journal: Journal,
  opened: OpenWatch,
  purpose: WatchPurpose,
  cells: readonly CellId[],
): WaveWatch {
  const request = requestOf(input, journal, opened, purpose, cells);
  return {
    number: opened.number,
    async look(what) {
      try {
        if (!opened.isOpen) await looking.openWatch({ operation: input.operation, watch: request });
        opened.isOpen = true;
        const result = await looking.takeLook(nextLook(input, opened, what));
        opened.errors = 0;
        return result;
      } catch (error) {
        opened.errors += 1;
        const { errors } = opened;
        const verdict = blindVerdict(errors, rootCause(error) ?? String(error), input.plan.policy);
        const { urgent: _urgent, ...patient } = verdict;
        const { toolErrorsInARow } = judgingOf(input.plan.policy);
        return { verdict: errors >= toolErrorsInARow ? verdict : patient, lacking: false };
      }
    },
  };
}

/** The next look of a watch. */
export function nextLook(
  { operation, plan }: RolloutInput,
  watch: OpenWatch,
  what: Pick<LookInput, "gates" | "over" | "load">,
): LookInput {
  const look = watch.looks;
  watch.looks += 1;
  const seconds = (new Date().getTime() - watch.beganAt) / 1_000;
  return { operation, number: watch.number, look, seconds, policy: plan.policy, ...what };
}

function requestOf(
  input: RolloutInput,
  journal: Journal,
  { number, wave, beganAt }: OpenWatch,
  purpose: WatchPurpose,
  cells: readonly CellId[],
): WatchRequest {
  const { release } = input.plan;
  const { power } = journal.wave;
  const at = new Date(beganAt).toISOString();
  const earlier = journal.cells.filter(
    (cell) => cell.step === "deployed" && cell.wave < wave && !cells.includes(cell.cell),
  );
  const controls = journal.cells.filter(({ step, cell }) => step === "pending" && !cells.includes(cell));
  const unknown = "its traffic was not looked at when the rollout was planned";
  return {
    wave,
    number,
    purpose,
    beganAt: at,
    deployedAt: journal.deployBegan(wave) ?? at,
    cells: cells.map((cell) => ({ cell, release })),
    controls: controls.slice(0, mostControls).map(({ cell }) => cell),
    powerless:
      power === undefined
        ? cells.map((cell) => ({ cell, reason: unknown }))
        : power.filter(({ comparable }) => !comparable).map(({ cell, reason }) => ({ cell, reason })),
    earlier: [...new Set(earlier.map((cell) => cell.wave))].map((one) => ({
      wave: one,
      cells: earlier.filter((cell) => cell.wave === one).map(({ cell }) => ({ cell, release })),
    })),
  };
}
