import type { Client } from "@temporalio/client";
import { temporalNames } from "../../common/contracts/rollout.ts";
import type { OperationId } from "../../common/ids.ts";

/** Temporal ends a workflow whose history is longer than either. */
export const historyLimits = { events: 51_200, bytes: 50 * 1_048_576 } as const;

export interface HistorySize {
  /** A workflow that continued as new has several. */
  readonly runs: number;
  /** Of its longest run. */
  readonly events: number;
  readonly bytes: number;
  /** Of all runs together. */
  readonly allEvents: number;
  /** What Temporal's cloud bills: starts, activities, timers, signals, updates, markers, child workflows. */
  readonly actions: number;
}

type History = Awaited<ReturnType<ReturnType<Client["workflow"]["getHandle"]>["fetchHistory"]>>;
type HistoryEvent = NonNullable<History["events"]>[number];

const billed: readonly (keyof HistoryEvent)[] = [
  "workflowExecutionStartedEventAttributes",
  "activityTaskScheduledEventAttributes",
  "timerStartedEventAttributes",
  "workflowExecutionSignaledEventAttributes",
  "signalExternalWorkflowExecutionInitiatedEventAttributes",
  "startChildWorkflowExecutionInitiatedEventAttributes",
  "workflowExecutionUpdateAcceptedEventAttributes",
  "markerRecordedEventAttributes",
];

/** The size of a workflow's history, run by run from its first. */
export async function historyOf(client: Client, workflowId: string, firstRunId: string): Promise<HistorySize> {
  const sizes: { events: number; bytes: number; actions: number }[] = [];
  for (let runId: string | null = firstRunId; runId !== null;) {
    const handle = client.workflow.getHandle(workflowId, runId);
    const events: HistoryEvent[] = (await handle.fetchHistory()).events ?? [];
    const info = (await handle.describe()).raw.workflowExecutionInfo;
    sizes.push({
      events: events.length,
      bytes: Number(info?.historySizeBytes ?? 0),
      actions: events.filter((event) => billed.some((kind) => (event[kind] ?? null) !== null)).length,
    });
    runId = events.at(-1)?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId ?? null;
  }
  const sum = (of: (size: (typeof sizes)[number]) => number): number => sizes.reduce((all, size) => all + of(size), 0);
  return {
    runs: sizes.length,
    events: Math.max(...sizes.map(({ events }) => events)),
    bytes: Math.max(...sizes.map(({ bytes }) => bytes)),
    allEvents: sum(({ events }) => events),
    actions: sum(({ actions }) => actions),
  };
}

/** The history of a cell's own workflow. */
export async function cellHistoryOf(client: Client, operation: OperationId, cell: string): Promise<HistorySize> {
  const workflowId = temporalNames.cellDeployId(operation, cell, "forward");
  const { runId } = await client.workflow.getHandle(workflowId).describe();
  return await historyOf(client, workflowId, runId);
}
