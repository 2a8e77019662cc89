import { executeChild, ParentClosePolicy, proxyActivities, rootCause } from "@temporalio/workflow";
import type { MigrationClass } from "../../common/contracts/release.ts";
import {
  type CellDeployInput,
  type CellDeployResult,
  type Rollout,
  type RolloutInput,
  temporalNames,
} from "../../common/contracts/rollout.ts";
import { deployCell } from "./deploy-cell.ts";
import type { Journal } from "./journal.ts";
import { lookHowItStands } from "./indeterminate.ts";
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
    ...silence(input),
    ...named(input.plan.migrationClass),
  });
}

/** In a large fleet nobody follows the steps of each cell, and telling them costs a third of all that Temporal does for it. */
const mostToldCells = 50;

function silence({ plan }: RolloutInput): Pick<CellDeployInput, "silent"> {
  const cells = plan.waves.reduce((sum, wave) => sum + wave.cells.length, 0);
  return cells > mostToldCells ? { silent: true } : {};
}

/** A plan names its heaviest class, and with it the lighter ones. */
function named(heaviest: MigrationClass | null): Pick<CellDeployInput, "migrations" | "sameSchema"> {
  if (heaviest === null) return { sameSchema: true };
  if (heaviest === "expand") return {};
  return { migrations: heaviest === "contract" ? ["contract"] : ["contract", "irreversible"] };
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
    ...silence(input),
  });
}

/** One cell's child workflow; whatever becomes of it is a result, because the other cells of the wave must settle too. */
async function runChild(journal: Journal, input: Parameters<typeof deployCell>[0]): Promise<CellDeployResult> {
  journal.underway.add(input.cell);
  if (input.silent === true) journal.cellIs(input.cell, input.direction === "forward" ? "checking" : "rolling-back");
  const result = await executeChild(deployCell, {
    workflowId: temporalNames.cellDeployId(input.operation, input.cell, input.direction),
    args: [input],
    parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
  }).catch(async (error: unknown): Promise<CellDeployResult> => {
    const reason = rootCause(error) ?? String(error);
    if (!journal.abilities.yields)
      return { cell: input.cell, step: "failed", slot: null, error: reason, releaseAtFault: false };
    journal.cellIs(input.cell, "indeterminate", reason);
    return await lookHowItStands(input, reason);
  });
  journal.underway.delete(input.cell);
  journal.cellIs(input.cell, result.step, result.error);
  return result;
}
