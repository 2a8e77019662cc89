import { proxyActivities } from "@temporalio/workflow";
import type { RolloutInput } from "../../common/contracts/rollout.ts";
import type { Overridden } from "../../control-plane/rollout/progress.ts";
import type { Journal } from "./journal.ts";
import { withoutCatchUps } from "./members.ts";
import { recordOptions } from "./options.ts";
import type { RolloutSteps } from "./steps.ts";

const record = proxyActivities<RolloutSteps>(recordOptions);

/** What a person's verdict means for the release, beside the state that it has led to already: a FAIL quarantines it, a PASS over a FAIL lifts that. */
export async function tellOverride(
  input: RolloutInput,
  journal: Journal,
  { verdict, reason }: Overridden,
): Promise<void> {
  const { release } = input.plan;
  if (verdict === "PASS") {
    await record.liftQuarantine({ release, reason });
  } else {
    await record.quarantineRelease({ release, reason });
    withoutCatchUps(input, journal);
    const { number } = journal.wave;
    if (journal.deployedIn(number).length > 0) journal.waveIs(number, "failed");
  }
  journal.overrideIsTold();
}
