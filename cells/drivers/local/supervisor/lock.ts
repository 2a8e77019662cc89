import { realpathSync } from "node:fs";
import type { Server } from "node:net";
import { sha256 } from "../../../../common/canonical.ts";
import { takeName } from "../kernel-lock.ts";

/**
 * Takes the home for this process, as long as it lives.
 * @returns null when another supervisor has the home.
 */
export function lockHome(home: string): Promise<Server | null> {
  return takeName(`cellplane-supervisor-${sha256(realpathSync(home)).slice(0, 32)}`);
}

/** Exit code of a supervisor that finds its home taken. */
export const homeTakenExit = 75;
