import { sleep } from "@temporalio/activity";
import type { CellId } from "../../common/ids.ts";
import type { CellSteps, ClaimedStep } from "../definitions/steps.ts";
import { workflowError } from "../errors.ts";
import type { DriverPort, RegistryPort } from "./ports.ts";
import type { Synthetic } from "./synthetic.ts";

export interface CellActivityDeps {
  readonly driver: DriverPort;
  readonly registry: RegistryPort;
  readonly synthetic: Synthetic;
  /** How long a started release may take until it is ready, in milliseconds. */
  readonly readyWithinMs: number;
}

const pollEveryMs = 250;

/** One refusal may be a hiccup of a process that has just begun; the bake finds what fails now and then. */
const smokeTries = 3;
const smokePauseMs = 500;

/**
 * The steps that bring a release into one cell. Each asks the cell how it stands before it acts, so that it may be run again after a
 * crash at any point, and ends in the same state.
 */
export function cellActivities(deps: CellActivityDeps): CellSteps {
  /** Asked before every change and never remembered: an operation that was closed meanwhile has lost its cells. */
  async function claimOf({ operation, cell }: ClaimedStep & { cell: CellId }): Promise<number | undefined> {
    if (operation === undefined) return undefined;
    const token = await deps.registry.claimToken(operation, cell);
    if (token === null) throw workflowError("claim-lost", `Operation ${operation} does not hold ${cell} any more.`);
    return token;
  }

  return {
    async inspectCell(input) {
      const { liveSlot, slots } = await deps.driver.status(input.cell);
      return { liveSlot, slots };
    },

    async resolveRelease(input) {
      // The registry's answer carries the whole manifest, which has no business in a workflow's history.
      const { name, digest } = await deps.registry.release(input.release);
      return { name, digest };
    },

    async installRelease(input) {
      await deps.driver.installRelease(input.cell, input.release, await claimOf(input));
    },

    async migrateCell(input) {
      await deps.driver.migrate(input.cell, input.release, await claimOf(input), input.migrations);
    },

    async startRelease(input) {
      const claim = await claimOf(input);
      const report = await deps.driver.status(input.cell);
      const there = report.slots[input.slot].release;
      if (there !== null && there !== input.release.name) {
        if (report.liveSlot === input.slot) {
          throw workflowError("release-not-there", `Slot ${input.slot} of ${input.cell} is live with ${there}.`);
        }
        await deps.driver.stopRelease(input.cell, input.slot, claim);
      }
      await deps.driver.startRelease(input.cell, input.slot, input.release, claim);
    },

    async awaitReady(input) {
      const deadline = performance.now() + deps.readyWithinMs;
      for (;;) {
        const { release, ready, problems } = (await deps.driver.status(input.cell)).slots[input.slot];
        if (ready && release === input.release.name) return;
        if (ready)
          throw workflowError(
            "release-not-ready",
            `Slot ${input.slot} of ${input.cell} was given ${input.release.name} and says that it is ${release ?? "nothing"}.`,
          );
        if (performance.now() > deadline) {
          const why = release === null ? "it does not answer" : problems.join("; ");
          throw workflowError(
            "release-not-ready",
            `${input.release.name} in slot ${input.slot} of ${input.cell}: ${why}.`,
          );
        }
        await sleep(pollEveryMs);
      }
    },

    async smokeTest(input) {
      const { state } = await deps.registry.release(input.release);
      if (state === "quarantined") return;
      for (let tries = 1; ; tries += 1) {
        try {
          return await deps.synthetic.journeyAtSlot(input.cell, input.slot, input.release);
        } catch (error) {
          if (tries === smokeTries) throw error;
        }
        await sleep(smokePauseMs);
      }
    },

    async switchSlot(input) {
      const claim = await claimOf(input);
      const report = await deps.driver.status(input.cell);
      if (report.liveSlot !== input.to) await deps.driver.switchSlot(input.cell, input.from, input.to, claim);
    },

    async publishLive(input) {
      await deps.registry.publishLive(input.cell, input.slot, input.release);
    },

    async settleCell({ cell, operation, to }) {
      const claim = await deps.registry.raiseClaim(operation, cell);
      if (claim === null) throw workflowError("claim-lost", `Operation ${operation} does not hold ${cell} any more.`);
      const { liveSlot, slots } = await deps.driver.status(cell);
      // Told to the driver with the new token, also where nothing is to be stopped: from then on an older one is refused.
      if (slots[liveSlot].release !== to) await deps.driver.stopRelease(cell, liveSlot === "a" ? "b" : "a", claim);
      return { liveSlot, slots };
    },

    async retireSlot(input) {
      const claim = await claimOf(input);
      const report = await deps.driver.status(input.cell);
      if (report.liveSlot === input.slot || report.slots[input.slot].release === null) return;
      if (input.drain) await deps.driver.drain(input.cell, input.slot);
      await deps.driver.stopRelease(input.cell, input.slot, claim);
    },
  };
}
