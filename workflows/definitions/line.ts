import { condition, proxyActivities } from "@temporalio/workflow";
import type { Journal } from "./journal.ts";
import { recordOptions } from "./options.ts";
import type { RolloutSteps } from "./steps.ts";

const record = proxyActivities<RolloutSteps>(recordOptions);

/** Whoever stops or releases the line tells every rollout at once; should that word be lost, it is asked for again. */
const askAgainMs = 300_000;

/**
 * Waits while the line is stopped. The registry is asked before anything is begun, because nobody else is sure to have been there when the line was stopped:
 * neither the control plane that tells it on, nor Temporal.
 * @param isOver whether there is nothing to wait for any more, because the rollout is about to end.
 */
export async function untilLineRuns(journal: Journal, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    journal.lineIs(await record.lineState());
    if (!journal.progress.stopped) return;
    await condition(() => !journal.progress.stopped || isOver(), askAgainMs);
  }
}
