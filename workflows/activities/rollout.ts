import type { RolloutSteps } from "../definitions/steps.ts";
import { observe, type ObserveDeps } from "./observe.ts";

/** What a rollout needs beside the steps in its cells. */
export function rolloutActivities(deps: ObserveDeps): RolloutSteps {
  return {
    async prepareRollout(input) {
      await deps.registry.takeClaims(input.operation, input.cells);
      for (const cell of input.cells) await deps.synthetic.ensureKey(cell);
    },

    async saveRollout(input) {
      await deps.registry.saveRollout(input.rollout);
    },

    async quarantineRelease(input) {
      await deps.registry.quarantine(input.release, input.reason);
    },

    async finishRollout(input) {
      if (input.completed !== null) await deps.registry.setCurrentRelease(input.completed);
      await deps.registry.dropClaims(input.operation);
    },

    async observeWave(input) {
      return await observe(deps, input);
    },
  };
}
