import { ActivityCancellationType, type ActivityOptions, type LocalActivityOptions } from "@temporalio/workflow";

/** Activities beat every 2 s; four missed beats and the step is given to another worker. */
const heartbeatTimeout = "8 seconds";

/** Soon at first, since most failures are a restart that takes a second; never rarer than every five. */
const retry = { initialInterval: "500 milliseconds", backoffCoefficient: 2, maximumInterval: "5 seconds" } as const;

/**
 * A step that is cancelled runs to its end first, so that what undoes it never meets it half done.
 */
const cancellationType = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED;

/** Steps that bring a release in: after five minutes of failures the cell is brought back instead. */
export const forwardOptions: ActivityOptions = {
  heartbeatTimeout,
  cancellationType,
  retry,
  startToCloseTimeout: "3 minutes",
  scheduleToCloseTimeout: "5 minutes",
};

/** Steps that bring a cell back are tried for an hour: leaving a cell between two releases is the worst answer. */
export const backOptions: ActivityOptions = {
  heartbeatTimeout,
  cancellationType,
  retry,
  startToCloseTimeout: "3 minutes",
  scheduleToCloseTimeout: "1 hour",
};

/** Records are tried until the registry is back, however long that takes. */
export const recordOptions: ActivityOptions = {
  heartbeatTimeout,
  cancellationType,
  retry,
  startToCloseTimeout: "20 seconds",
};

/**
 * Steps that take a moment and change nothing, or nothing but the registry: done within the workflow's task, which spares Temporal half of all that it does for a
 * cell.
 */
export const quickOptions: LocalActivityOptions = {
  retry,
  startToCloseTimeout: "2 minutes",
  scheduleToCloseTimeout: "5 minutes",
};

/** The same for words to the registry, which are said until it hears. */
export const quickRecordOptions: LocalActivityOptions = { retry, startToCloseTimeout: "20 seconds" };

/** Looks are tried twice, quickly: the next one comes soon, and says how many failed in a row. Load is spread over up to half a minute. */
export const lookOptions: ActivityOptions = {
  heartbeatTimeout,
  retry: { ...retry, maximumAttempts: 2 },
  startToCloseTimeout: "60 seconds",
  scheduleToCloseTimeout: "2 minutes",
};

/** Readings are tried once: a reading that could not be taken is itself an observation. */
export const observeOptions: ActivityOptions = {
  heartbeatTimeout,
  retry: { maximumAttempts: 1 },
  startToCloseTimeout: "30 seconds",
};
