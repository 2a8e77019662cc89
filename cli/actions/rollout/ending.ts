import type { Rollout } from "../../../common/contracts/rollout.ts";
import { exitCodes, type ExitCode } from "../../exit.ts";

/**
 * How a watched rollout ended; null while it still goes on. A rollout that rolls back is never at an end, so that whoever
 * reads the exit code finds the cells as they will stay. A wait for moves or a window ends by itself; one for a person does not.
 */
export function endingOf(rollout: Pick<Rollout, "state" | "waitingFor">): ExitCode | null {
  switch (rollout.state) {
    case "completed":
      return exitCodes.done;
    case "rollback-failed":
      return exitCodes.failed;
    case "rolled-back":
    case "halted":
    case "cancelled":
      return exitCodes.notCompleted;
    case "waiting":
      return rollout.waitingFor === "decision" || rollout.waitingFor === "approval" ? exitCodes.notCompleted : null;
    case "planned":
    case "deploying":
    case "verifying":
    case "baking":
    case "rolling-back":
      return null;
    default:
      return rollout.state satisfies never;
  }
}
