import { condition, patched, proxyActivities, upsertSearchAttributes } from "@temporalio/workflow";
import type { RolloutInput } from "../../common/contracts/rollout.ts";
import { isFinal } from "../../control-plane/rollout/progress.ts";
import type { Journal } from "./journal.ts";
import { recordOptions } from "./options.ts";
import { searchAttributesOf } from "./search.ts";
import type { RolloutSteps } from "./steps.ts";

const record = proxyActivities<RolloutSteps>(recordOptions);

/**
 * Up to so many cells the registry hears of each step at once. Above, a word of a thousand cells has half a megabyte, and one every five seconds leaves a rollout
 * of an hour within the limits of a history.
 */
const cellsToldAtOnce = 20;
const pauseMsACell = 5;

/**
 * Tells the registry each change, newest state first wins; ends when a final state is written. Every word holds the whole rollout, and stays in the history: of
 * many cells it is told the less often, except for what a person waits for. By some of it the rollout is found in Temporal, too.
 */
export async function keepRecording(input: RolloutInput, journal: Journal): Promise<void> {
  let written = 0;
  let shown = "";
  for (;;) {
    await condition(() => journal.progress.revision > written);
    const rollout = journal.record;
    const place = `${rollout.state} ${rollout.wave}`;
    if (input.searchable === true && shown !== place) upsertSearchAttributes(searchAttributesOf(rollout));
    shown = place;
    await record.saveRollout({ rollout });
    written = rollout.revision;
    if (isFinal(rollout.state) && journal.progress.revision === written) return;
    const pauseMs = rollout.cells.length <= cellsToldAtOnce ? 0 : rollout.cells.length * pauseMsACell;
    const said = wordOf(journal);
    if (pauseMs > 0 && patched("paced-records")) await condition(() => wordOf(journal) !== said, pauseMs);
  }
}

/** What is told at once, however large the rollout is. */
function wordOf({ progress: { state, waitingFor, paused, stopped, wave } }: Journal): string {
  return JSON.stringify([state, waitingFor, paused, stopped, wave]);
}
