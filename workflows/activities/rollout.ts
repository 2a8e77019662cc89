import { CellplaneError } from "../../common/errors.ts";
import type { RolloutSteps } from "../definitions/steps.ts";
import { observe } from "./observe.ts";
import type { DriverPort } from "./ports.ts";
import { watchActivities, type WatchDeps } from "./watch.ts";

/** What a rollout needs beside the steps in its cells. */
export function rolloutActivities(deps: WatchDeps & { readonly driver: DriverPort }): RolloutSteps {
  const prepareRollout: RolloutSteps["prepareRollout"] = async ({ operation, cells }) => {
    // After a direct command a cell has seen a token that the registry does not know.
    const seen = await Promise.all(cells.map(async (cell) => [cell, (await deps.driver.status(cell)).claim] as const));
    await deps.registry.takeClaims(operation, cells, new Map(seen));
    for (const cell of cells) await deps.synthetic.ensureKey(cell);
  };

  return {
    prepareRollout,

    async takeCells(input) {
      try {
        await prepareRollout(input);
        return { heldBy: null };
      } catch (error) {
        if (error instanceof CellplaneError && error.code === "claim-taken") return { heldBy: error.message };
        throw error;
      }
    },

    async lostCells({ operation, cells }) {
      const held = new Set(await deps.registry.heldCells(operation));
      return cells.filter((cell) => !held.has(cell));
    },

    async saveRollout(input) {
      await deps.registry.saveRollout(input.rollout);
    },

    async quarantineRelease(input) {
      await deps.registry.quarantine(input.release, input.reason);
    },

    async liftQuarantine(input) {
      await deps.registry.liftQuarantine(input.release, input.reason);
    },

    async lineState() {
      return await deps.registry.line();
    },

    async finishRollout(input) {
      if (input.completed !== null) await deps.registry.setCurrentRelease(input.completed);
      await deps.registry.dropClaims(input.operation);
    },

    async observeWave(input) {
      return await observe(deps, input);
    },

    async fleetMembers() {
      return (await deps.registry.cells()).map(({ id, release }) => ({ cell: id, release }));
    },

    ...watchActivities(deps),
  };
}
