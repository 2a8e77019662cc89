import type { Clock } from "../common/clock.ts";
import { FleetSubscription } from "../common/fleet/subscription.ts";
import type { CellId, PartId, TenantId } from "../common/ids.ts";
import type { SigningKey } from "../common/keys.ts";
import type { Logger } from "../common/log.ts";
import { Counters } from "./admin/counters.ts";
import { SampleCounters } from "./admin/samples.ts";
import { createAdmin } from "./admin/server.ts";
import { createApp, type RouterParts } from "./app.ts";
import { listOf, type RouterConfig } from "./config.ts";
import { Assertions } from "./guard/assertions.ts";
import { Breakers } from "./guard/breaker.ts";
import { InFlight } from "./guard/in-flight.ts";
import { KeyDigests } from "./guard/key.ts";
import { ParkingLot } from "./guard/parking.ts";
import { TrustedPeers } from "./guard/peers.ts";
import { RateLimits } from "./guard/rate.ts";
import { RetryBudgets } from "./guard/retry-budget.ts";
import { AnswerLog } from "./proxy/answer-log.ts";
import { Deadlines } from "./proxy/deadlines.ts";
import { Pools } from "./proxy/pools.ts";
import { TenantServer } from "./proxy/server.ts";
import { LiveSlots } from "./table/live-slots.ts";
import { Owners } from "./table/owners.ts";
import { RoutingTable } from "./table/table.ts";

export interface RunningRouter {
  readonly port: number;
  readonly adminPort: number;
  /** Readiness off, in-flight requests finished (bounded), everything closed. */
  stop(): Promise<void>;
}

/** Puts a router together and starts it: from the table on disk where there is one, else it waits for the feed to fill the table. */
export async function startRouter(
  config: RouterConfig,
  key: SigningKey,
  clock: Clock,
  log: Logger,
): Promise<RunningRouter> {
  const id = config.ROUTER_ID as PartId;
  const table = new RoutingTable();
  const subscription = new FleetSubscription({
    url: config.FLEET_URL,
    part: id,
    key,
    trustKeys: listOf(config.FLEET_TRUST_KEYS),
    directory: config.FLEET_DIRECTORY,
    clock,
    log,
    onChange: (document, changes) => table.apply(document, changes),
  });
  const deadlines = new Deadlines(clock);
  const pools = new Pools(deadlines, {
    connectTimeoutMs: config.CONNECT_TIMEOUT_MS,
    firstByteTimeoutMs: config.FIRST_BYTE_TIMEOUT_MS,
  });
  const parts = createParts(config, key, clock, log, { id, table, subscription, pools });
  const answerLog = new AnswerLog(log, clock, config.ACCESS_LOG_EVERY);
  const tenants = new TenantServer({
    serve: createApp(parts),
    headTimeoutMs: config.HEAD_TIMEOUT_MS,
    requestTimeoutMs: config.REQUEST_TIMEOUT_MS,
    maxConnections: config.MAX_CONNECTIONS,
    deadlines,
    peers: parts.peers,
    counters: parts.counters,
    answerLog,
    clock,
    log,
  });
  let serving = true;
  const admin = createAdmin({
    id,
    parts,
    subscription,
    serving: () => serving,
    open: () => tenants.open,
    startedAt: new Date(clock.now()),
    log,
  });

  subscription.start();
  await admin.listen({ host: config.HOST, port: config.ADMIN_PORT });
  const port = await tenants.listen(config.HOST, config.PORT);
  const address = admin.server.address();
  return {
    port,
    adminPort: typeof address === "object" && address !== null ? address.port : config.ADMIN_PORT,
    stop: async () => {
      serving = false;
      await tenants.stop(config.STOP_MS);
      await subscription.stop();
      await admin.close();
      pools.close();
      deadlines.stop();
    },
  };
}

interface Base {
  readonly id: PartId;
  readonly table: RoutingTable;
  readonly subscription: FleetSubscription;
  readonly pools: Pools;
}

function createParts(
  config: RouterConfig,
  key: SigningKey,
  clock: Clock,
  log: Logger,
  { id, table, subscription, pools }: Base,
): RouterParts {
  const breakers = new Breakers(clock);
  const budgets = new RetryBudgets();
  const parking = new ParkingLot(clock);
  const liveSlots = new LiveSlots(table, (cell, left) => {
    const url = table.cell(cell)?.slots[left].url;
    if (url !== undefined) pools.retire(url);
    log.info({ event: "live-slot-turned", cell, left });
  });
  table.listen({
    // A parked request of a tenant that moved goes to the new owner at once.
    tenantChanged: (tenant) => parking.thawed(tenant),
    cellChanged: (cell, row, before) => {
      for (const slot of ["a", "b"] as const) {
        if (before !== null && before.slots[slot].url !== row?.slots[slot].url) pools.retire(before.slots[slot].url);
      }
      if (row === null) {
        breakers.forget(cell);
        budgets.forget(cell);
      }
    },
  });
  return {
    table,
    owners: new Owners(table),
    liveSlots,
    trust: subscription.trust,
    assertions: new Assertions(id, key, clock),
    breakers,
    cellInFlight: new InFlight<CellId>(),
    cellCap: config.CELL_IN_FLIGHT,
    budgets,
    parking,
    parkMs: config.PARK_MS,
    pools,
    samples: new SampleCounters(id, clock),
    counters: new Counters(),
    clock,
    log,
    rates: new RateLimits(clock),
    tenantInFlight: new InFlight<TenantId>(),
    peers: new TrustedPeers(listOf(config.TRUSTED_PROXIES)),
    keyDigests: new KeyDigests(),
    stale: () => subscription.status.ageSeconds > config.TABLE_STALE_SECONDS,
  };
}
