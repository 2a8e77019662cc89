import type { CommandInput } from "../../common/contracts/rollout.ts";
import type { RolloutProgress } from "../../control-plane/rollout/progress.ts";

/** What a command says, in the history's words. */
export function toldReason(
  { command, reason, seconds, verdict }: CommandInput,
  before: RolloutProgress,
): string | null {
  const said = reason === null ? "" : `: ${reason}`;
  if (command === "extend-bake") return `${seconds} s more${said}`;
  if (command === "override") return `${verdict}${said}${before.reason === null ? "" : `; it was: ${before.reason}`}`;
  return reason;
}
