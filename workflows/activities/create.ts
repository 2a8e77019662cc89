import { asActivities } from "./boundary.ts";
import { type CellActivityDeps, cellActivities } from "./cell.ts";
import { rolloutActivities } from "./rollout.ts";
import type { WatchDeps } from "./watch.ts";

/** All activities of the worker, over the ports and clients that its composition root brings. */
export function createActivities(deps: CellActivityDeps & WatchDeps) {
  return asActivities({ ...cellActivities(deps), ...rolloutActivities(deps) });
}
