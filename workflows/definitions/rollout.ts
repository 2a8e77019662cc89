import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  defineQuery,
  defineUpdate,
  isCancellation,
  patched,
  proxyActivities,
  rootCause,
  setHandler,
} from "@temporalio/workflow";
import { isFinal, isHeld } from "../../control-plane/rollout/progress.ts";
import { type CommandInput, type Rollout, type RolloutInput, temporalNames } from "../../common/contracts/rollout.ts";
import { bakeWave, verifyWave, waitAndWatch } from "./bake.ts";
import * as before from "./bake-before-watches.ts";
import { cellStepSignal } from "./deploy-cell.ts";
import type { Carried } from "./carried.ts";
import { Journal } from "./journal.ts";
import { untilLineRuns } from "./line.ts";
import { waitForHolder } from "./holders.ts";
import { isLong, nextRun } from "./next-run.ts";
import { recordOptions } from "./options.ts";
import { deployWave } from "./deploy-wave.ts";
import { tellOverride } from "./override.ts";
import { keepRecording } from "./recorder.ts";
import { rollBack } from "./roll-back.ts";
import type { RolloutSteps } from "./steps.ts";

const record = proxyActivities<RolloutSteps>(recordOptions);

export const commandUpdate = defineUpdate<Rollout, [CommandInput]>(temporalNames.commandUpdate);
export const stateQuery = defineQuery<Rollout>(temporalNames.stateQuery);

/**
 * Brings a release to an application's cells in waves (design.md, section 10). The state machine is pure (control-plane/rollout);
 * this function does what the state at hand asks for until the state is a final one. Temporal's own cancellation is not listened
 * to: a rollout ends by its commands, so that no cell is left half-way.
 * @param carried what the run before this one knew: a long rollout goes on in another run, before its history meets Temporal's limits.
 */
export async function rollout(input: RolloutInput, carried: Carried | null = null): Promise<Rollout> {
  const watches = patched("watches");
  const abilities = {
    waveByWave: watches,
    commands: patched("commands"),
    carries: patched("carries"),
    yields: patched("yields"),
  };
  const journal = new Journal(input, abilities, carried);
  setHandler(stateQuery, () => journal.record);
  setHandler(cellStepSignal, ({ cell, step }) => journal.cellIs(cell, step));
  setHandler(
    commandUpdate,
    (command) => {
      journal.obey(command);
      return journal.record;
    },
    { validator: (command: CommandInput) => refuse(journal, command) },
  );
  return await CancellationScope.nonCancellable(() => run(input, journal, watches ? now : before));
}

/** How waves are watched: by looks that the registry keeps, or, in rollouts that began before that, by the workflow's own. */
interface Watching {
  verifyWave(input: RolloutInput, journal: Journal): Promise<void>;
  bakeWave(input: RolloutInput, journal: Journal): Promise<void>;
  waitAndWatch(input: RolloutInput, journal: Journal): Promise<void>;
}
const now: Watching = { verifyWave, bakeWave, waitAndWatch };

async function run(input: RolloutInput, journal: Journal, watching: Watching): Promise<Rollout> {
  const recorder = keepRecording(input, journal);
  for (;;) {
    if (journal.progress.untold !== null) await tellOverride(input, journal, journal.progress.untold);
    if (isFinal(journal.progress.state)) break;
    if (isLong(input, journal)) await nextRun<typeof rollout>(input, journal);
    await step(input, journal, watching);
  }
  await record.finishRollout({
    operation: input.operation,
    completed: journal.progress.state === "completed" ? input.plan.release : null,
  });
  await recorder;
  await condition(allHandlersFinished);
  return journal.record;
}

/** Does what the state asks for, until it is another one. */
async function step(input: RolloutInput, journal: Journal, watching: Watching): Promise<void> {
  const { state } = journal.progress;
  switch (state) {
    case "planned":
      return await begin(input, journal);
    case "deploying":
      return await deployWave(input, journal);
    case "verifying":
      return await watching.verifyWave(input, journal);
    case "baking":
      return await watching.bakeWave(input, journal);
    case "waiting":
      return await watching.waitAndWatch(input, journal);
    case "halted":
      return await condition(() => journal.progress.state !== "halted");
    case "rolling-back":
      return await rollBack(input, journal);
    case "rolled-back":
    case "rollback-failed":
    case "completed":
    case "cancelled":
      return;
    default:
      state satisfies never;
  }
}

/** Waits for the cells, however long another operation has them; a halt or a cancellation ends the wait. */
async function begin(input: RolloutInput, journal: Journal): Promise<void> {
  const cells = journal.cells.map(({ cell }) => cell).toSorted();
  const scope = new CancellationScope();
  const taking = { operation: input.operation, cells };
  const prepared = scope.run(async () => {
    if (journal.abilities.yields) return (await record.takeCells(taking)).heldBy;
    await record.prepareRollout(taking);
    return null;
  });
  const interrupted = condition(() => journal.progress.state !== "planned");
  try {
    await Promise.race([prepared, interrupted]);
    if (journal.progress.state !== "planned") scope.cancel();
    const heldBy = await prepared;
    if (heldBy !== null && journal.progress.state === "planned") return waitForHolder(journal, heldBy);
  } catch (error) {
    if (!isCancellation(error)) journal.giveUp(rootCause(error) ?? String(error));
    return;
  }
  const isOver = (): boolean => journal.progress.state !== "planned";
  if (journal.abilities.commands) await untilLineRuns(journal, isOver);
  await condition(() => !isHeld(journal.progress) || isOver());
  if (journal.progress.state === "planned") journal.learn({ kind: "began" });
}

function refuse(journal: Journal, command: CommandInput): void {
  const refusal = journal.refusalOf(command);
  if (refusal !== null) throw ApplicationFailure.nonRetryable(refusal.detail, refusal.code);
}
