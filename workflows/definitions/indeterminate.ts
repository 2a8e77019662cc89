import { proxyActivities, rootCause } from "@temporalio/workflow";
import type { CellDeployInput, CellDeployResult } from "../../common/contracts/rollout.ts";
import { backOptions, recordOptions } from "./options.ts";
import type { CellSteps } from "./steps.ts";

const back = proxyActivities<CellSteps>(backOptions);
const record = proxyActivities<CellSteps>(recordOptions);

/**
 * How a cell stands whose change broke off: its workflow was terminated, or failed where it must not. Nothing is guessed: what may still be under way is
 * shut out by a higher token, and then the cell is asked what it runs.
 * @param why it broke off.
 * @returns as the child would have: with `failed` where the cell does not say, or runs something else than either release.
 */
export async function lookHowItStands(input: CellDeployInput, why: string): Promise<CellDeployResult> {
  const { cell, operation, from, to, direction } = input;
  const failed = (error: string): CellDeployResult => ({
    cell,
    step: "failed",
    slot: null,
    error,
    releaseAtFault: false,
  });
  try {
    const { liveSlot, slots } = await back.settleCell({ cell, operation, to });
    const { release } = slots[liveSlot];
    if (release === to) {
      await record.publishLive({ cell, slot: liveSlot, release: to });
      const other = liveSlot === "a" ? "b" : "a";
      await back.retireSlot({ cell, slot: other, drain: true, operation });
      const step = direction === "forward" ? "deployed" : "rolled-back";
      return { cell, step, slot: liveSlot, error: null, releaseAtFault: false };
    }
    if (release === from && direction === "forward") {
      const error = `${why}. The cell was looked at, and is as before.`;
      return { cell, step: "rolled-back", slot: null, error, releaseAtFault: false };
    }
    return failed(`${why}. The cell runs ${release ?? "nothing"}.`);
  } catch (error) {
    return failed(`${why}. It could not be looked at: ${rootCause(error) ?? String(error)}`);
  }
}
