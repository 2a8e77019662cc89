import { pino, type Logger } from "pino";

export type { Logger };

/** Names under which a secret may appear in a log record; its value never does. */
const secretPaths = [
  "*.password",
  "*.token",
  "*.key",
  "*.authorization",
  "*.secret",
  "headers.authorization",
  "headers.cookie",
];

/**
 * A structured logger on stdout: one event a line, with the part's name. Children carry tenant, cell, epoch, operation.
 * @param level a pino level, or `silent`.
 */
export function createLog(part: string, level: string = "info", labels: Readonly<Record<string, string>> = {}): Logger {
  return pino({
    level,
    base: { part, ...labels },
    messageKey: "event",
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: secretPaths, censor: "***" },
  });
}
