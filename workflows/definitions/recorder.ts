import { condition, proxyActivities, upsertSearchAttributes } from "@temporalio/workflow";
import type { Rollout, RolloutInput } from "../../common/contracts/rollout.ts";
import { isFinal } from "../../control-plane/rollout/progress.ts";
import type { Journal } from "./journal.ts";
import { recordOptions } from "./options.ts";
import { searchAttributesOf } from "./search.ts";
import type { RolloutSteps } from "./steps.ts";

const record = proxyActivities<RolloutSteps>(recordOptions);

const recordPauseMsPerCell = 2;
const longestRecordPauseMs = 2_000;
const shortestRecordPauseMs = 100;

/** Tells the registry each change, newest state first wins; ends when a final state is written. */
export async function keepRecording(input: RolloutInput, journal: Journal): Promise<void> {
  let written = 0;
  let shown = "";
  for (;;) {
    await condition(() => journal.progress.revision > written);
    const rollout = journal.record;
    if (input.searchable === true && shown !== placeOf(rollout)) upsertSearchAttributes(searchAttributesOf(rollout));
    shown = placeOf(rollout);
    await record.saveRollout({ rollout });
    written = rollout.revision;
    if (isFinal(rollout.state) && journal.progress.revision === written) return;
    if (journal.abilities.carries) await pauseBetweenRecords(journal);
  }
}

/** A large fleet's record is large, and each one stands in the history: they come less often, but for those that people wait for. */
async function pauseBetweenRecords(journal: Journal): Promise<void> {
  const { since } = journal.progress;
  const pauseMs = Math.min(longestRecordPauseMs, journal.cells.length * recordPauseMsPerCell);
  if (pauseMs < shortestRecordPauseMs) return;
  await condition(() => journal.progress.since !== since, pauseMs);
}

function placeOf({ state, wave }: Rollout): string {
  return `${state} ${wave}`;
}
