import { executeChild, ParentClosePolicy, proxyActivities, rootCause } from "@temporalio/workflow";
import {
  type CellDeployResult,
  type Rollout,
  type RolloutInput,
  temporalNames,
} from "../../common/contracts/rollout.ts";
import { deployCell } from "./deploy-cell.ts";
import type { Journal } from "./journal.ts";
import { recordOptions } from "./options.ts";
import type { CellSteps } from "./steps.ts";

const record = proxyActivities<CellSteps>(recordOptions);

export type CellRecord = Rollout["cells"][number];

/** Brings the release to one cell, by a child workflow. */
export async function deployForward(
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

/** Brings one cell back to the release that it had. */
export async function deployBack(
  input: RolloutInput,
  journal: Journal,
  { cell, wave, from, to }: CellRecord,
): Promise<CellDeployResult> {
  if (from === null) {
    journal.cellIs(cell, "failed", "it had no release before");
    return { cell, step: "failed", slot: null, error: "it had no release before", releaseAtFault: false };
  }
  const { digest } = await record.resolveRelease({ release: from });
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

/** One cell's child workflow; whatever becomes of it is a result, because the other cells of the wave must settle too. */
async function runChild(journal: Journal, input: Parameters<typeof deployCell>[0]): Promise<CellDeployResult> {
  journal.underway.add(input.cell);
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
  journal.underway.delete(input.cell);
  journal.cellIs(input.cell, result.step, result.error);
  return result;
}
