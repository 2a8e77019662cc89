import { CancellationScope, proxyActivities, rootCause } from "@temporalio/workflow";
import { afterQuarantine, membershipChange, type Member } from "../../control-plane/rollout/membership.ts";
import type { RolloutInput } from "../../common/contracts/rollout.ts";
import type { Journal } from "./journal.ts";
import { forwardOptions, recordOptions } from "./options.ts";
import type { RolloutSteps } from "./steps.ts";

const record = proxyActivities<RolloutSteps>(recordOptions);
const taking = proxyActivities<RolloutSteps>(forwardOptions);

/** Waves for cells that came during the rollout; who comes later still gets the release as every new cell does. */
const mostCatchUps = 3;

/** Leaves out the cells of the wave at hand that the fleet has no more. */
export async function leaveOutGone(input: RolloutInput, journal: Journal): Promise<void> {
  const { gone } = membershipChange(input.plan, await record.fleetMembers(), []);
  for (const { cell } of journal.wave.cells) if (gone.includes(cell)) journal.cellIsGone(cell);
}

/**
 * After the last wave: cells that came or came back since get a wave of their own. One that another operation holds is left out, and said so: the rollout
 * does not wait for ever for a cell that it was not planned for.
 */
export async function catchUp(input: RolloutInput, journal: Journal): Promise<void> {
  const { progress } = journal;
  if (progress.wave !== progress.waves || progress.waves - input.plan.waves.length >= mostCatchUps) return;
  const settled = journal.cells.filter(({ step }) => step === "deployed").map(({ cell }) => cell);
  const { joining } = membershipChange(input.plan, await record.fleetMembers(), settled);
  if (joining.length === 0) return;
  try {
    const cells = joining.map(({ cell }) => cell).toSorted();
    await CancellationScope.nonCancellable(() => taking.prepareRollout({ operation: input.operation, cells }));
  } catch (error) {
    const names = joining.map(({ cell }) => cell).join(", ");
    return journal.remember("left-out", `${names} came during the rollout: ${rootCause(error) ?? String(error)}`);
  }
  // A command may have come meanwhile.
  const { state, ending } = journal.progress;
  if ((state === "baking" || state === "deploying") && ending === null) journal.join(joining);
}

/** On a quarantine: cells that wait to catch up do not any more. Those that had the release already are rolled back with the others. */
export function withoutCatchUps(input: RolloutInput, journal: Journal): void {
  const joined: Member[] = journal.joined.map(({ cell, from, to, step }) => ({
    cell,
    release: step === "deployed" || step === "failed" ? to : from,
  }));
  for (const cell of afterQuarantine(input.plan, joined).cancelled)
    journal.cellIs(cell, "skipped", "its catching up was cancelled");
}
