import { sleep } from "@temporalio/activity";
import type { Slot } from "../../common/contracts/lease.ts";
import { type CellId, type ReleaseName, splitRelease } from "../../common/ids.ts";
import { workflowError } from "../errors.ts";
import type { CellReport, DriverPort, RegistryPort, ReleaseRef } from "./ports.ts";
import type { Synthetic } from "./synthetic.ts";

export interface CellActivityDeps {
  readonly driver: DriverPort;
  readonly registry: RegistryPort;
  readonly synthetic: Synthetic;
  /** How long a started release may take until it is ready, in milliseconds. */
  readonly readyWithinMs: number;
}

export interface SlotStep {
  readonly cell: CellId;
  readonly slot: Slot;
}
export interface ReleaseStep {
  readonly cell: CellId;
  readonly release: ReleaseRef;
}

const pollEveryMs = 250;

/**
 * The steps that bring a release into one cell. Each asks the cell how it stands before it acts, so that it may be run again after a
 * crash at any point, and ends in the same state.
 */
export function cellActivities(deps: CellActivityDeps) {
  return {
    /** The cell's own word about its slots. */
    async inspectCell(input: { cell: CellId }): Promise<CellReport> {
      return await deps.driver.status(input.cell);
    },

    async resolveRelease(input: { release: ReleaseName }): Promise<ReleaseRef> {
      return await deps.registry.release(input.release);
    },

    async installRelease(input: ReleaseStep): Promise<void> {
      await deps.driver.installRelease(input.cell, input.release);
    },

    async migrateCell(input: ReleaseStep): Promise<void> {
      await deps.driver.migrate(input.cell, input.release);
    },

    /** Starts the release in a slot that is not live; what an earlier try left there is stopped first. */
    async startRelease(input: ReleaseStep & SlotStep): Promise<void> {
      const report = await deps.driver.status(input.cell);
      const there = report.slots[input.slot].release;
      if (there !== null && there !== input.release.name) {
        if (report.liveSlot === input.slot) {
          throw workflowError("release-not-there", `Slot ${input.slot} of ${input.cell} is live with ${there}.`);
        }
        await deps.driver.stopRelease(input.cell, input.slot);
      }
      await deps.driver.startRelease(input.cell, input.slot, input.release);
    },

    /** @throws release-not-ready when the release is not ready in time. */
    async awaitReady(input: ReleaseStep & SlotStep): Promise<void> {
      const deadline = performance.now() + deps.readyWithinMs;
      for (;;) {
        const { release, ready, problems } = (await deps.driver.status(input.cell)).slots[input.slot];
        if (ready && release === input.release.name) return;
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

    /** @throws smoke-failed when the synthetic tenant's journey fails at that slot. */
    async smokeTest(input: SlotStep & { release: ReleaseName }): Promise<void> {
      await deps.synthetic.journeyAtSlot(input.cell, input.slot, splitRelease(input.release).application);
    },

    async switchSlot(input: { cell: CellId; from: Slot; to: Slot }): Promise<void> {
      const report = await deps.driver.status(input.cell);
      if (report.liveSlot !== input.to) await deps.driver.switchSlot(input.cell, input.from, input.to);
    },

    async publishLive(input: SlotStep & { release: ReleaseName }): Promise<void> {
      await deps.registry.publishLive(input.cell, input.slot, input.release);
    },

    /** Drains and stops a slot; the live one is never touched, nothing is done where nothing runs. */
    async retireSlot(input: SlotStep & { drain: boolean }): Promise<void> {
      const report = await deps.driver.status(input.cell);
      if (report.liveSlot === input.slot || report.slots[input.slot].release === null) return;
      if (input.drain) await deps.driver.drain(input.cell, input.slot);
      await deps.driver.stopRelease(input.cell, input.slot);
    },
  };
}

export type CellActivities = ReturnType<typeof cellActivities>;
