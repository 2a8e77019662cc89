import type { Rollout } from "../../common/contracts/rollout.ts";
import type { CellId, OperationId, ReleaseName } from "../../common/ids.ts";
import { observe, type Observation, type ObserveDeps, type ObserveInput } from "./observe.ts";

/** What a rollout needs beside the steps in its cells. */
export function rolloutActivities(deps: ObserveDeps) {
  return {
    /** Takes the cells, and makes the synthetic tenants' keys known well before the first load needs them. */
    async prepareRollout(input: { operation: OperationId; cells: readonly CellId[] }): Promise<void> {
      await deps.registry.takeClaims(input.operation, input.cells);
      for (const cell of input.cells) await deps.synthetic.ensureKey(cell);
    },

    /** Writes the rollout as it is now. */
    async saveRollout(input: { rollout: Rollout }): Promise<void> {
      await deps.registry.saveRollout(input.rollout);
    },

    async quarantineRelease(input: { release: ReleaseName; reason: string }): Promise<void> {
      await deps.registry.quarantine(input.release, input.reason);
    },

    /** Gives the cells back; after a completed rollout its release is the fleet's. */
    async finishRollout(input: { operation: OperationId; completed: ReleaseName | null }): Promise<void> {
      if (input.completed !== null) await deps.registry.setCurrentRelease(input.completed);
      await deps.registry.dropClaims(input.operation);
    },

    async observeWave(input: ObserveInput): Promise<Observation> {
      return await observe(deps, input);
    },
  };
}

export type RolloutActivities = ReturnType<typeof rolloutActivities>;
