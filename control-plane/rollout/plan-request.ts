import type { Release } from "../../common/contracts/release.ts";
import type { RolloutPolicy } from "../../common/contracts/rollout-policy.ts";
import type { ReleaseName } from "../../common/ids.ts";
import type { KnownTraffic } from "./power.ts";
import type { FleetCell } from "./waves.ts";

/** What is asked for, and all that planning knows. */
export interface PlanRequest {
  readonly application: string;
  readonly release: ReleaseName;
  /** All stored releases, of whatever application. */
  readonly releases: readonly Release[];
  readonly cells: readonly FleetCell[];
  readonly policy: RolloutPolicy;
  /** Customers' traffic of late, of as many cells as are known. */
  readonly traffic?: readonly KnownTraffic[];
}
