import {
  allHandlersFinished,
  condition,
  makeContinueAsNewFunc,
  workflowInfo,
  type Workflow,
} from "@temporalio/workflow";
import type { RolloutInput } from "../../common/contracts/rollout.ts";
import type { Carried } from "./carried.ts";
import type { Journal } from "./journal.ts";

/** A tenth of Temporal's limit of 51,200 events, so that the largest step still fits: a batch of 250 cells has some 6,000. */
const longHistory = 5_000;

/**
 * Whether the history is so long that the rollout should go on in another run, at the next moment when no cell is in mid-change. Temporal suggests it
 * by events and by bytes; where it does not, the number of events counts.
 */
export function isLong(input: RolloutInput, { abilities }: Journal): boolean {
  if (!abilities.carries) return false;
  const { continueAsNewSuggested, historyLength } = workflowInfo();
  return continueAsNewSuggested || historyLength >= (input.longHistory ?? longHistory);
}

/**
 * Ends this run, and goes on in the next with all that is known. No cell is in mid-change, so that there is no child to lose; a command that has come was
 * obeyed, and one that comes meanwhile is Temporal's to bring to the next run. What the registry has not heard of yet, the next run tells it.
 */
export async function nextRun<Next extends (input: RolloutInput, carried: Carried | null) => ReturnType<Workflow>>(
  input: RolloutInput,
  journal: Journal,
): Promise<never> {
  await condition(allHandlersFinished);
  // The memo says whose workflow this is.
  const { memo } = workflowInfo();
  const go = makeContinueAsNewFunc<Next>(memo === undefined ? {} : { memo });
  return await go(...([input, journal.carried] as Parameters<Next>));
}
