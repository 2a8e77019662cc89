import { asActivities } from "./boundary.ts";
import { type CellActivityDeps, cellActivities } from "./cell.ts";
import type { ObserveDeps } from "./observe.ts";
import { rolloutActivities } from "./rollout.ts";

/** All activities of the worker, over the ports and clients that its composition root brings. */
export function createActivities(deps: CellActivityDeps & ObserveDeps) {
  return asActivities({ ...cellActivities(deps), ...rolloutActivities(deps) });
}
