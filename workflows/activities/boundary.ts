import { Context, heartbeat } from "@temporalio/activity";
import { ApplicationFailure } from "@temporalio/common";
import { CellplaneError } from "../../common/errors.ts";
import { spansOf } from "../../common/telemetry.ts";

const inSpan = spansOf("workflows");

/** How often a running activity says that it lives. Its time-out is a few times this (definitions/options.ts). */
const heartbeatEveryMs = 2_000;

/**
 * Codes after which trying the same again is of no use: the release is bad, or somebody must decide. Everything else, such as a
 * cell or a database that does not answer, is tried again until the step's own time is over.
 */
const finalCodes: ReadonlySet<string> = new Set([
  "release-missing",
  "release-corrupt",
  "release-not-ready",
  "release-not-there",
  "migration-failed",
  "process-unhealthy",
  "smoke-failed",
  "cell-fenced",
  "claim-lost",
  "claim-outranked",
  "unknown-cell",
  "unknown-release",
  "release-quarantined",
  "rollout-over",
]);

type Activity = (...args: never[]) => Promise<unknown>;

/**
 * Stands between Temporal and plain functions: beats while they run, so that a worker's death is noticed within seconds, and turns our
 * errors into failures that say by their type whether they are worth another try. Only code and detail travel into the history;
 * causes stay in the log.
 */
export function asActivities<Table extends Record<string, Activity>>(table: Table): Table {
  const wrapped = Object.entries(table).map(([name, activity]) => [name, bounded(name, activity)] as const);
  return Object.fromEntries(wrapped) as Table;
}

function bounded(name: string, activity: Activity): Activity {
  return async (...args) => {
    const beat = setInterval(() => heartbeat(), heartbeatEveryMs);
    try {
      return await inSpan(name, { "temporal.attempt": Context.current().info.attempt }, () => activity(...args));
    } catch (error) {
      throw toFailure(error);
    } finally {
      clearInterval(beat);
    }
  };
}

/** A failure that Temporal understands, for one of our errors; anything else stays what it is. */
export function toFailure(error: unknown): unknown {
  if (!(error instanceof CellplaneError)) return error;
  return ApplicationFailure.create({
    message: error.message,
    type: error.code,
    nonRetryable: finalCodes.has(error.code),
  });
}
