import type { Static, TObject } from "typebox";
import { createRedis } from "../common/redis/client.ts";
import { createAdminServer } from "./admin/app.ts";
import { apiConfig, applicationSettings } from "./config.ts";
import { Activator } from "./kit/activation.ts";
import { AssertionVerifier } from "./kit/assertions.ts";
import { CacheStore } from "./kit/cache.ts";
import { ConnectionCounter } from "./kit/connections.ts";
import type { CellApp } from "./kit/kit.ts";
import { CellSamples } from "./kit/samples.ts";
import { OutboxWatch } from "./kit/queue/outbox-watch.ts";
import { createTenantServer } from "./kit/server.ts";
import { leaseChannel } from "./kit/streams/streams.store.ts";
import { Streams } from "./kit/streams/streams.ts";
import { apiPools } from "./limits.ts";
import { isSynthetic, startServing, statusOptions } from "./serving.ts";

/** The API process of a cell: an application's routes for tenants, and the admin API beside them. */
export async function runApi<Settings extends TObject>(app: CellApp<Settings>): Promise<void> {
  const config = apiConfig();
  const settings: Static<Settings> = applicationSettings(app.settings);
  const parts = startServing("api", app as unknown as CellApp, config, apiPools);
  const { clock, log, shutdown, state, fleet, database, system, skews } = parts;
  const redis = createRedis({
    url: config.REDIS_URL,
    application: `${config.CELL_ID}-api-${config.SLOT}`,
    use: "cache",
    log,
  });
  shutdown.add("cache", () => redis.disconnect());
  const connections = new ConnectionCounter(clock);
  const samples = new CellSamples(config.CELL_ID, config.RELEASE, clock);
  const streams = new Streams({ system, state, log });
  parts.events.on(leaseChannel, () => void streams.look());
  state.onPhase((phase) => {
    if (phase === "draining") streams.endAll();
  });

  const signer = { cell: config.CELL_ID, key: parts.key, clock };
  const activator = new Activator({ cell: config.CELL_ID, trust: fleet.trust, system, log });

  const bounds = { tenant: config.OUTBOX_TENANT_JOBS, cell: config.OUTBOX_CELL_JOBS };
  const outbox = new OutboxWatch(system, bounds, log);
  shutdown.add("outbox-watch", () => outbox.stop());

  const admin = await createAdminServer({
    commands: { cell: config.CELL_ID, trust: fleet.trust, clock, skew: skews.commands },
    status: statusOptions(parts, () => ({ connections: connections.open, inFlight: connections.inFlight })),
    aggregates: { cell: config.CELL_ID, aggregates: app.aggregates, database, system, state, clock },
    samples,
    signer,
    activator,
    log,
  });
  const tenants = await createTenantServer({
    app,
    settings,
    release: config.RELEASE,
    assertions: new AssertionVerifier(
      config.CELL_ID,
      fleet.trust,
      (tenant) => isSynthetic(fleet, tenant),
      clock,
      skews.assertions,
    ),
    trustKnown: () => fleet.document !== null,
    state,
    signer,
    activator,
    services: { database, cache: new CacheStore(redis, clock), streams, log },
    connections,
    samples,
    requestTimeoutMs: config.REQUEST_TIMEOUT_MS,
  });

  await state.start();
  await parts.schema.start();
  parts.events.start();
  outbox.start();
  await admin.listen({ host: config.HOST, port: config.ADMIN_PORT });
  shutdown.add("admin-api", () => admin.close());
  await tenants.listen({ host: config.HOST, port: config.API_PORT });
  shutdown.add("tenant-api", async () => {
    streams.leave();
    await connections.leave();
    await tenants.close();
  });
  log.info({ event: "listening", phase: state.phase, problems: state.problems() });
}
