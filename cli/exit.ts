/** Exit codes of every command; scripts hold on to them (docs/cli.md). */
export const exitCodes = {
  /** What was asked for is done. */
  done: 0,
  /** Refused or failed; a failed roll-back too. */
  failed: 1,
  /** The command line itself was wrong. */
  usage: 2,
  /** A watched rollout was rolled back, halted or cancelled, or waits for a person's decision. */
  notCompleted: 3,
  /** The part that must answer does not. */
  unreachable: 4,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
