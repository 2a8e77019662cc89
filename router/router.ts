import type { Clock } from "../common/clock.ts";
import { CompactRows } from "../common/fleet/compact/rows.ts";
import { SealedBundle } from "../common/fleet/sealed-bundle.ts";
import { FleetSubscription } from "../common/fleet/subscription.ts";
import type { CellId, PartId, TenantId } from "../common/ids.ts";
import type { SigningKey } from "../common/keys.ts";
import type { Logger } from "../common/log.ts";
import type { Family } from "../common/metrics/family.ts";
import { OtlpExporter, headersOf } from "../common/metrics/otlp-exporter.ts";
import { Counters } from "./admin/counters.ts";
import { SampleCounters } from "./admin/samples.ts";
import { collectMetrics, type TlsState } from "./admin/metrics.ts";
import { createAdmin } from "./admin/server.ts";
import { TopTenants } from "./admin/top-tenants.ts";
import { createApp, type RouterParts } from "./app.ts";
import { listOf, type RouterConfig } from "./config.ts";
import { Assertions } from "./guard/assertions.ts";
import { Breakers } from "./guard/breaker.ts";
import { Hosts } from "./guard/hosts.ts";
import { InFlight } from "./guard/in-flight.ts";
import { Keys } from "./guard/key.ts";
import { ParkingLot } from "./guard/parking.ts";
import { OwnKey } from "./guard/own-key.ts";
import { TrustedPeers } from "./guard/peers.ts";
import { Probes } from "./guard/probes.ts";
import { RateLimits } from "./guard/rate.ts";
import { RetryBudgets } from "./guard/retry-budget.ts";
import { Visitors } from "./guard/visitors.ts";
import { AnswerLog } from "./proxy/answer-log.ts";
import type { ClientSocket } from "./proxy/client-socket.ts";
import { Deadlines } from "./proxy/deadlines.ts";
import { ElsewhereChoice } from "./proxy/elsewhere.ts";
import { Pools } from "./proxy/pools.ts";
import { Spans } from "./proxy/spans.ts";
import { TenantServer } from "./proxy/server.ts";
import { AlarmWatch, tableAlarms } from "./table/alarms.ts";
import { Ways } from "./proxy/ways.ts";
import { Certificates } from "./tls/certificates.ts";
import { TlsServer } from "./tls/server.ts";
import { LiveSlots } from "./table/live-slots.ts";
import { Owners } from "./table/owners.ts";
import { StatelessRoutes } from "./table/stateless-routes.ts";
import { RoutingTable } from "./table/table.ts";

export interface RunningRouter {
  readonly port: number;
  /** Null where no TLS is spoken. */
  readonly tlsPort: number | null;
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
  const keeper = new SealedBundle(config.FLEET_DIRECTORY, key);
  const ownKey: OwnKey = new OwnKey({
    part: id,
    file: config.KEY_FILE,
    current: key,
    trust: () => subscription.trust,
    onTurn: (next) => keeper.sealWith(next),
    log,
  });
  const subscription: FleetSubscription<CompactRows> = new FleetSubscription({
    url: config.FLEET_URL,
    part: id,
    get key() {
      return ownKey.now;
    },
    trustKeys: listOf(config.FLEET_TRUST_KEYS),
    keeper,
    createRows: () => new CompactRows(),
    clock,
    log,
    onChange: (document, changes) => table.apply(document, changes),
  });
  const deadlines = new Deadlines(clock);
  const pools = new Pools(deadlines, {
    connectTimeoutMs: config.CONNECT_TIMEOUT_MS,
    firstByteTimeoutMs: config.FIRST_BYTE_TIMEOUT_MS,
    answerIdleTimeoutMs: config.ANSWER_IDLE_TIMEOUT_MS,
  });
  const parts = createParts(config, ownKey, clock, log, { id, table, subscription, pools });
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
  const alarms = () => tableAlarms(subscription.status, config.TABLE_STALE_SECONDS);
  let tls: Tls | null = null;
  const metrics = () =>
    collectMetrics({
      parts,
      status: () => subscription.status,
      alarms,
      open: () => tenants.open,
      tls: () => tls?.state() ?? null,
    });
  let stopping = false;
  const admin = createAdmin({
    id,
    parts,
    subscription,
    control: {
      ready: () => !stopping && !tenants.draining,
      draining: () => tenants.draining,
      drain: (on) => tenants.drain(on || stopping),
    },
    alarms,
    metrics,
    envoyExport: config.ENVOY_EXPORT,
    startedAt: new Date(clock.now()),
    log,
  });
  const probes = new Probes({ ...parts, inFlight: parts.cellInFlight });
  const watch = new AlarmWatch(alarms, log);
  const exporter = createExporter(config, metrics, clock, log);

  ownKey.start();
  subscription.start();
  await admin.listen({ host: config.HOST, port: config.ADMIN_PORT });
  const listening = { host: config.HOST, reusePort: config.SHARE_PORT };
  const port = await tenants.listen({ ...listening, port: config.PORT });
  tls = await startTls(config, tenants, log);
  const address = admin.server.address();
  return {
    port,
    tlsPort: tls?.port ?? null,
    adminPort: typeof address === "object" && address !== null ? address.port : config.ADMIN_PORT,
    stop: async () => {
      stopping = true;
      await tenants.leave(config.DRAIN_MS);
      const tlsClosed = tls?.server.close();
      await tenants.stop(config.STOP_MS);
      tls?.server.destroy();
      await tlsClosed;
      tls?.certificates.stop();
      ownKey.stop();
      probes.stop();
      watch.stop();
      await exporter?.close();
      await subscription.stop();
      await admin.close();
      pools.close();
      deadlines.stop();
    },
  };
}

interface Tls {
  readonly port: number;
  readonly server: TlsServer;
  readonly certificates: Certificates;
  readonly state: () => TlsState;
}

/** TLS in front of the same server, where there are certificates. @throws where their folder cannot be read. */
async function startTls(config: RouterConfig, tenants: TenantServer, log: Logger): Promise<Tls | null> {
  if (config.TLS_DIRECTORY === "") return null;
  const certificates = new Certificates(config.TLS_DIRECTORY, log);
  await certificates.start();
  const take = (socket: ClientSocket) => tenants.take(socket, "https");
  const server = new TlsServer({ certificates, maxConnections: config.MAX_CONNECTIONS, take, log });
  const port = await server.listen({ host: config.HOST, port: config.TLS_PORT, reusePort: config.SHARE_PORT });
  const state = () => ({
    certificates: certificates.count,
    firstEnd: certificates.firstEnd,
    certificatesRefused: certificates.refused,
    handshakesFailed: server.handshakesFailed,
  });
  return { port, server, certificates, state };
}

function createExporter(
  config: RouterConfig,
  collect: () => readonly Family[],
  clock: Clock,
  log: Logger,
): OtlpExporter | null {
  if (config.OTEL_EXPORTER_OTLP_ENDPOINT === "") return null;
  const exporter = new OtlpExporter({
    endpoint: config.OTEL_EXPORTER_OTLP_ENDPOINT,
    headers: headersOf(config.OTEL_EXPORTER_OTLP_HEADERS),
    everyMs: config.OTEL_METRIC_EXPORT_INTERVAL,
    resource: { "service.name": "cellplane-router", "service.instance.id": config.ROUTER_ID },
    scope: "cellplane.router",
    collect,
    clock,
    log,
  });
  exporter.start();
  return exporter;
}

interface Base {
  readonly id: PartId;
  readonly table: RoutingTable;
  readonly subscription: FleetSubscription<CompactRows>;
  readonly pools: Pools;
}

function createParts(
  config: RouterConfig,
  ownKey: OwnKey,
  clock: Clock,
  log: Logger,
  { id, table, subscription, pools }: Base,
): RouterParts {
  const breakers = new Breakers(clock);
  const cellInFlight = new InFlight<CellId>();
  const statelessRoutes = new StatelessRoutes();
  const tenantInFlight = new InFlight<TenantId>();
  const rates = new RateLimits(clock);
  const ways = new Ways(breakers, new RetryBudgets(), cellInFlight, pools);
  const parking = new ParkingLot(clock);
  const liveSlots = new LiveSlots(table, (cell, left) => {
    const url = table.cell(cell)?.slots[left].url;
    if (url !== undefined) pools.retire(url);
    log.info({ event: "live-slot-turned", cell, left });
  });
  table.listen({
    // A parked request of a tenant that moved goes to the new owner at once.
    tenantChanged: (tenant) => parking.thawed(tenant),
    watchedTenants: () => parking.tenants(),
    cellChanged: (cell, row, before) => {
      for (const slot of ["a", "b"] as const) {
        if (before !== null && before.slots[slot].url !== row?.slots[slot].url) pools.retire(before.slots[slot].url);
      }
      if (row === null) ways.forget(cell);
    },
  });
  return {
    table,
    owners: new Owners(table),
    liveSlots,
    statelessRoutes,
    elsewhere: new ElsewhereChoice(statelessRoutes, table, breakers, Math.random),
    trust: subscription.trust,
    assertions: new Assertions(id, () => ownKey.now, clock),
    breakers,
    cellInFlight,
    cellCap: config.CELL_IN_FLIGHT,
    parking,
    parkMs: config.PARK_MS,
    ways,
    samples: new SampleCounters(id, clock, new TopTenants(config.TOP_TENANTS)),
    counters: new Counters(),
    clock,
    log,
    rates,
    tenantInFlight,
    hosts: new Hosts(table, rates, tenantInFlight),
    peers: new TrustedPeers(listOf(config.TRUSTED_PROXIES)),
    keys: new Keys(table),
    visitors: new Visitors(),
    spans: new Spans(config.TRACE_EVERY, clock),
    stale: () => subscription.status.ageSeconds > config.TABLE_STALE_SECONDS,
  };
}
