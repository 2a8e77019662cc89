import type { Clock } from "../../common/clock.ts";
import type { TenantRow } from "../../common/contracts/fleet.ts";
import type { TrustStore } from "../../common/fleet/trust.ts";
import type { CellId, KeyId, TenantId } from "../../common/ids.ts";
import type { Logger } from "../../common/log.ts";
import type { Counters } from "../admin/counters.ts";
import type { SampleCounters } from "../admin/samples.ts";
import type { Assertions } from "../guard/assertions.ts";
import type { Breakers } from "../guard/breaker.ts";
import type { InFlight } from "../guard/in-flight.ts";
import type { ParkingLot } from "../guard/parking.ts";
import type { RetryBudgets } from "../guard/retry-budget.ts";
import type { LiveSlots } from "../table/live-slots.ts";
import type { Owners } from "../table/owners.ts";
import type { RoutingTable } from "../table/table.ts";
import type { Pools } from "./pools.ts";

/** All that a request needs on its way to a cell and back. */
export interface Carriage {
  readonly table: RoutingTable;
  readonly owners: Owners;
  readonly liveSlots: LiveSlots;
  readonly trust: TrustStore;
  readonly assertions: Assertions;
  readonly breakers: Breakers;
  readonly tenantInFlight: InFlight<TenantId>;
  readonly cellInFlight: InFlight<CellId>;
  readonly cellCap: number;
  readonly budgets: RetryBudgets;
  readonly parking: ParkingLot;
  readonly parkMs: number;
  readonly pools: Pools;
  readonly samples: SampleCounters;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A request that may pass. */
export interface Passage {
  readonly tenant: TenantRow;
  readonly principal: KeyId | "anonymous";
  /** The head for the cell, without its end, which changes from try to try. */
  readonly head: string;
}
