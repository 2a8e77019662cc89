import { after, before } from "node:test";
import type { CellDriver, ReleaseRef } from "../../cells/drivers/driver.ts";
import { cellId, type CellId } from "../../common/ids.ts";
import type { Open, Stage } from "./stage.ts";
import { StandInReleases } from "./stand-in-releases.ts";

/** What one story of the suite plays on: a driver of its own, one cell's name, two releases. */
export interface Scene {
  readonly cell: CellId;
  readonly releases: StandInReleases;
  readonly one: ReleaseRef;
  readonly two: ReleaseRef;
  /** There once the story has begun. */
  readonly stage: Stage;
  readonly driver: CellDriver;
}

/** Opens a driver before the story's first test, with what `begin` then does, and closes it after the last. */
export function scene(open: Open, begin?: (on: Scene) => Promise<void>): Scene {
  const releases = new StandInReleases();
  let opened: Stage | undefined;
  const stage = (): Stage => {
    if (opened === undefined) throw new Error("the story has not begun");
    return opened;
  };
  const on: Scene = {
    cell: cellId("cell-1"),
    releases,
    one: releases.make("1"),
    two: releases.make("2"),
    get stage() {
      return stage();
    },
    get driver() {
      return stage().driver;
    },
  };
  before(async () => {
    opened = await open(releases);
    await begin?.(on);
  });
  after(() => opened?.close());
  return on;
}
