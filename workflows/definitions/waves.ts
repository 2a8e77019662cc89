import { condition, executeChild, ParentClosePolicy, proxyActivities, rootCause } from "@temporalio/workflow";
import {
  type CellDeployResult,
  type Rollout,
  type RolloutInput,
  temporalNames,
} from "../../common/contracts/rollout.ts";
import type { ReleaseName } from "../../common/ids.ts";
import { deployCell } from "./deploy-cell.ts";
import type { Journal } from "./journal.ts";
import { recordOptions } from "./options.ts";
import type { CellSteps, RolloutSteps } from "./steps.ts";

const record = proxyActivities<CellSteps & RolloutSteps>(recordOptions);

type CellRecord = Rollout["cells"][number];

/** Cells of a wave that are changed side by side; more would only contend for the same machines and databases. */
const cellsAtOnce = 4;

/**
 * Brings the release to the cells of the wave at hand that do not have it yet. A pause, a halt or a roll-back lets cells in mid-change
 * settle and begins no others.
 */
export async function deployWave(input: RolloutInput, journal: Journal): Promise<void> {
  const { number } = journal.wave;
  for (;;) {
    const pending = journal.cells.filter(({ wave, step }) => wave === number && step !== "deployed");
    if (pending.length > 0) await condition(() => !journal.progress.paused || journal.progress.ending !== null);
    if (journal.progress.ending !== null) return journal.settle();
    if (pending.length === 0) return journal.learn({ kind: "wave-deployed" });

    journal.waveIs(number, "deploying");
    const results = await Promise.all(pending.slice(0, cellsAtOnce).map((cell) => deployForward(input, journal, cell)));
    const failed = results.find(({ step }) => step !== "deployed");
    if (failed !== undefined)
      return await failWave(
        input,
        journal,
        failed,
        results.some(({ releaseAtFault }) => releaseAtFault),
      );
  }
}

async function deployForward(
  input: RolloutInput,
  journal: Journal,
  { cell, wave, from, to }: CellRecord,
): Promise<CellDeployResult> {
  return await runChild(journal, {
    operation: input.operation,
    wave,
    cell,
    from,
    to,
    digest: input.plan.digest,
    direction: "forward",
  });
}

async function failWave(
  input: RolloutInput,
  journal: Journal,
  failed: CellDeployResult,
  releaseAtFault: boolean,
): Promise<void> {
  const reason = `${failed.cell}: ${failed.error ?? "the release could not be deployed"}`;
  journal.waveIs(journal.wave.number, "failed");
  if (releaseAtFault) await record.quarantineRelease({ release: input.plan.release, reason });
  journal.learn({ kind: "wave-failed", reason }, { cell: failed.cell, reason });
}

/** Brings every cell that this rollout changed back to its last verified release, the last changed first. Never itself rolled back. */
export async function rollBackAll(input: RolloutInput, journal: Journal): Promise<void> {
  const changed = journal.cells.filter(({ step }) => step === "deployed" || step === "failed").toReversed();
  const failures: string[] = [];
  for (let first = 0; first < changed.length; first += cellsAtOnce) {
    const results = await Promise.all(
      changed.slice(first, first + cellsAtOnce).map((cell) => deployBack(input, journal, cell)),
    );
    failures.push(
      ...results.flatMap(({ cell, step, error }) =>
        step === "rolled-back" ? [] : `${cell}: ${error ?? "not rolled back"}`,
      ),
    );
  }
  for (const wave of new Set(changed.map((cell) => cell.wave))) {
    const whole = journal.cells.every(
      (cell) => cell.wave !== wave || cell.step === "rolled-back" || cell.step === "pending",
    );
    journal.waveIs(wave, whole ? "rolled-back" : "failed");
  }
  if (failures.length === 0) journal.learn({ kind: "rolled-back" });
  else journal.learn({ kind: "rollback-failed", reason: failures.join("; ") }, { reason: failures.join("; ") });
}

async function deployBack(
  input: RolloutInput,
  journal: Journal,
  { cell, wave, from, to }: CellRecord,
): Promise<CellDeployResult> {
  if (from === null) {
    journal.cellIs(cell, "failed", "it had no release before");
    return { cell, step: "failed", slot: null, error: "it had no release before", releaseAtFault: false };
  }
  const digest = await digestOf(from);
  return await runChild(journal, {
    operation: input.operation,
    wave,
    cell,
    from: to,
    to: from,
    digest,
    direction: "back",
  });
}

async function digestOf(release: ReleaseName): Promise<string> {
  return (await record.resolveRelease({ release })).digest;
}

/** One cell's child workflow; whatever becomes of it is a result, because the other cells of the wave must settle too. */
async function runChild(journal: Journal, input: Parameters<typeof deployCell>[0]): Promise<CellDeployResult> {
  const result = await executeChild(deployCell, {
    workflowId: temporalNames.cellDeployId(input.operation, input.cell, input.direction),
    args: [input],
    parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
  }).catch((error: unknown): CellDeployResult => {
    return {
      cell: input.cell,
      step: "failed",
      slot: null,
      error: rootCause(error) ?? String(error),
      releaseAtFault: false,
    };
  });
  journal.cellIs(input.cell, result.step, result.error);
  return result;
}
