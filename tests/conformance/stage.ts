import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { CellDriver, CellReport, ReleaseRef } from "../../cells/drivers/driver.ts";
import { CellplaneError } from "../../common/errors.ts";
import type { CellId } from "../../common/ids.ts";
import type { StandInReleases } from "./stand-in-releases.ts";

/** A driver with a place of its own for cells. */
export interface Stage {
  readonly driver: CellDriver;
  /** Another instance over the same cells, as another process would have: what one did, the other knows. Left out where cells live in one instance's memory. */
  another?(): CellDriver;
  /**
   * A driver over the same cells whose process dies at its n-th word to the outside (platform, releases, cell): that word and all later ones fail with
   * `Crash`, and nothing is tidied up. Left out where a driver speaks to nobody.
   */
  dyingAt?(n: number): CellDriver;
  /** Texts in a cell's own database, so that a restore can be looked into. Left out where cells keep nothing. */
  readonly data?: {
    write(cell: CellId, text: string): Promise<void>;
    /** In the order in which they were written. */
    read(cell: CellId): Promise<readonly string[]>;
  };
  close(): Promise<void>;
}

/** What a driver's cells can do beyond being talked about. */
export interface Capabilities {
  /** Releases really run, and serve at the addresses. */
  readonly serves: boolean;
  /** How long a drain waits at most, in milliseconds. */
  readonly drainMs: number;
}

/** The death of a driver's process in the middle of a method. */
export class Crash extends Error {}

export type Open = (releases: StandInReleases) => Promise<Stage>;

export async function refused(code: string, work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error) => error instanceof CellplaneError && error.code === code);
}

/** The methods that change a cell, each with arguments that would do something to it. */
export function changes(
  cell: CellId,
  release: ReleaseRef,
): Record<string, (driver: CellDriver, claim?: number) => Promise<unknown>> {
  return {
    installRelease: (driver, claim) => driver.installRelease(cell, release, claim),
    migrate: (driver, claim) => driver.migrate(cell, release, claim),
    startRelease: (driver, claim) => driver.startRelease(cell, "b", release, claim),
    switchSlot: (driver, claim) => driver.switchSlot(cell, "a", "b", claim),
    stopRelease: (driver, claim) => driver.stopRelease(cell, "b", claim),
    stop: (driver, claim) => driver.stop(cell, claim),
    start: (driver, claim) => driver.start(cell, claim),
    fence: (driver, claim) => driver.fence(cell, claim),
    backup: (driver, claim) => driver.backup(cell, claim),
    restore: (driver, claim) => driver.restore(cell, null, claim),
  };
}

/** Slots, releases, readiness: what two ways to the same end must agree on. */
export const shape = ({ liveSlot, fenced, slots }: CellReport): unknown => ({
  liveSlot,
  fenced,
  a: [slots.a.release, slots.a.ready],
  b: [slots.b.release, slots.b.ready],
});

/** Waits until a started release says that it is ready: `startRelease` returns when its processes live. */
export async function ready(driver: CellDriver, cell: CellId, slot: "a" | "b"): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if ((await driver.status(cell)).slots[slot].ready) return;
    await sleep(100);
  }
  assert.fail(`slot ${slot} of ${cell} did not become ready`);
}
