import type { Clock } from "../../common/clock.ts";
import type { TrustStore } from "../../common/fleet/trust.ts";
import type { CellId, TenantId } from "../../common/ids.ts";
import type { Logger } from "../../common/log.ts";
import type { Counters } from "../admin/counters.ts";
import type { SampleCounters } from "../admin/samples.ts";
import type { Assertions } from "../guard/assertions.ts";
import type { Breakers } from "../guard/breaker.ts";
import type { InFlight } from "../guard/in-flight.ts";
import type { ParkingLot } from "../guard/parking.ts";
import type { LiveSlots } from "../table/live-slots.ts";
import type { Owners } from "../table/owners.ts";
import type { StatelessRoutes } from "../table/stateless-routes.ts";
import type { RoutingTable } from "../table/table.ts";
import type { Ways } from "./ways.ts";

/** All that a request needs on its way to a cell and back. */
export interface Carriage {
  readonly table: RoutingTable;
  readonly owners: Owners;
  readonly liveSlots: LiveSlots;
  readonly statelessRoutes: StatelessRoutes;
  readonly trust: TrustStore;
  readonly assertions: Assertions;
  readonly breakers: Breakers;
  readonly tenantInFlight: InFlight<TenantId>;
  readonly cellInFlight: InFlight<CellId>;
  readonly cellCap: number;
  readonly parking: ParkingLot;
  readonly parkMs: number;
  readonly ways: Ways;
  readonly samples: SampleCounters;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly log: Logger;
}
