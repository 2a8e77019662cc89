import type { LogLevel, LogMetadata, Logger as TemporalLogger } from "@temporalio/common";
import type { Logger } from "../common/log.ts";

/** What the SDK tells at INFO is detail to us: each bundle, each change of a worker's state. */
const pinoLevels = {
  TRACE: "trace",
  DEBUG: "debug",
  INFO: "debug",
  WARN: "warn",
  ERROR: "error",
} as const satisfies Record<LogLevel, string>;

/** Metadata of the SDK that helps a reader of our log; the rest (SDK's own times, stacks of its sources) does not. */
const labels = ["workflowId", "runId", "activityType", "activityId", "attempt", "error", "reason"] as const;

/** The SDK's log as events of ours. */
export function temporalLog(log: Logger): TemporalLogger {
  const write = (level: LogLevel, message: string, meta: LogMetadata = {}): void => {
    const told = labels.flatMap((label) =>
      meta[label] === undefined ? [] : [[label === "error" ? "err" : label, meta[label] as unknown] as const],
    );
    log[pinoLevels[level]]({ event: "temporal", message, ...Object.fromEntries(told) });
  };
  return {
    log: write,
    trace: (message, meta) => write("TRACE", message, meta),
    debug: (message, meta) => write("DEBUG", message, meta),
    info: (message, meta) => write("INFO", message, meta),
    warn: (message, meta) => write("WARN", message, meta),
    error: (message, meta) => write("ERROR", message, meta),
  };
}
