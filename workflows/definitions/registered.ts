/** The workflows of this worker, under the names by which they are started. */
export { deployCell } from "./deploy-cell.ts";
export { rollout } from "./rollout.ts";
