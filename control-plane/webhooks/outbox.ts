import type { Rollout } from "../../common/contracts/rollout.ts";
import type { RolloutStateChanged } from "../../common/contracts/webhooks.ts";
import { stateChanges } from "../rollout/state-changes.ts";
import type { Change } from "../registry/change.ts";
import type { KnownStanding } from "../registry/rollouts.store.ts";
import { insertMessage } from "./webhooks.store.ts";

/**
 * Tells of every change of state that a newer record of a rollout brings, in the transaction that writes the record: neither is there without the other.
 * @param known what the record before said; null for a rollout that is new.
 */
export async function tellStateChanges(step: Change, known: KnownStanding | null, rollout: Rollout): Promise<void> {
  const before = known ?? {
    entries: 0,
    standing: { state: "planned", waitingFor: null, paused: false, stopped: false },
  };
  let isWanted = false;
  for (const { sequence, entry, to } of stateChanges(before, rollout)) {
    const { at, wave, event, actor, reason } = entry;
    const { id, application, release, plan } = rollout;
    const data = { rollout: id, application, release, plan: plan.hash, sequence, wave, to, event, actor, reason };
    const message: RolloutStateChanged = { type: "rollout.state-changed", timestamp: at, data };
    const { type } = message;
    isWanted =
      (await insertMessage(step.tx, { id: `${id}_${sequence}`, type, body: JSON.stringify(message) })) || isWanted;
  }
  if (isWanted) step.wake("webhooks");
}
