import { join } from "node:path";
import { Runtime } from "@temporalio/worker";
import { Agent } from "undici";
import { driverError } from "../cells/drivers/errors.ts";
import { locatePostgres, locateRedis } from "../cells/drivers/local/binaries.ts";
import { databaseUser } from "../cells/drivers/local/database-user.ts";
import { LocalDriver } from "../cells/drivers/local/driver.ts";
import { connectSupervisor } from "../cells/drivers/local/supervisor/client.ts";
import { systemClock } from "../common/clock.ts";
import { commandTokens } from "../common/command-tokens.ts";
import { maskConfig } from "../common/config.ts";
import { Shutdown } from "../common/http/shutdown.ts";
import { partId } from "../common/ids.ts";
import { loadSigningKey } from "../common/keys.ts";
import { createLog } from "../common/log.ts";
import { createPool } from "../common/postgres/pool.ts";
import { BlobStore } from "../control-plane/registry/blobs.ts";
import { createRegistry } from "../control-plane/registry/registry.ts";
import { createActivities } from "./activities/create.ts";
import { createPartClient } from "./activities/part-client.ts";
import { createSynthetic } from "./activities/synthetic.ts";
import { createApp } from "./app.ts";
import { workflowBundle } from "./bundle.ts";
import { readWorkerConfig, WorkerConfig } from "./config.ts";
import { cellPortsIn } from "./home.ts";
import { temporalLog } from "./temporal-log.ts";
import { TemporalWorker } from "./temporal-worker.ts";

/** A release that is not ready after a minute will not be. */
const readyWithinMs = 60_000;
/** A status or a page of counters; an admin API that takes longer is as good as silent. */
const partTimeoutMs = 3_000;
/** A tenant's request; the router gives up on a cell after less. */
const journeyTimeoutMs = 10_000;

const config = readWorkerConfig();
const log = createLog(config.PART_ID, config.LOG_LEVEL);
log.info({ event: "configured", config: maskConfig(WorkerConfig, config) });
const shutdown = new Shutdown(log, 20_000);
shutdown.listen();

const clock = systemClock;
const identity = { part: partId(config.PART_ID), key: loadSigningKey(config.KEY_FILE) };
const pool = createPool({ url: config.DATABASE_URL, application: config.PART_ID, log });
shutdown.add("registry", () => pool.end());
const registry = createRegistry(pool, clock);

// Read in place, so that a rollout goes on while the control plane is down.
const blobs = new BlobStore(join(config.HOME_DIRECTORY, "control-plane", "blobs"));
const tokenFor = commandTokens(config.PART_ID, identity.key, clock);
const driver = new LocalDriver({
  home: config.HOME_DIRECTORY,
  clock,
  supervisor: async () => {
    const supervisor = await connectSupervisor(config.HOME_DIRECTORY);
    if (supervisor === null) throw driverError("supervisor-unreachable", "No supervisor lives in this home.");
    return supervisor;
  },
  programs: async () => {
    const redis = locateRedis();
    if (redis === null) throw driverError("redis-missing", "Neither redis-server nor valkey-server was found.");
    return { postgres: await locatePostgres(), redis, user: await databaseUser() };
  },
  ports: (cell) => cellPortsIn(config.HOME_DIRECTORY, cell),
  releases: {
    manifest: async ({ name }) => (await registry.release(name)).manifest,
    read: async (digest) => blobs.read(digest),
  },
  fleet: { url: config.FLEET_URL, trustKeys: config.FLEET_TRUST_KEYS.split(",").filter((text) => text !== "") },
  token: tokenFor,
  logLevel: config.LOG_LEVEL,
});

const dispatcher = new Agent({ connections: 16, keepAliveTimeout: 30_000 });
shutdown.add("connections", () => dispatcher.close());
const synthetic = createSynthetic({
  identity,
  registry,
  clock,
  dispatcher,
  routerUrl: config.ROUTER_URL,
  timeoutMs: journeyTimeoutMs,
});
const parts = createPartClient({ identity, clock, dispatcher, timeoutMs: partTimeoutMs });

const logger = temporalLog(log);
const filter = { core: "WARN", other: "WARN" } as const;
// Signals are ours: the connections below must outlive the worker's last activities.
Runtime.install({ logger, telemetryOptions: { logging: { filter, forward: {} } }, shutdownSignals: [] });
const worker = new TemporalWorker({
  address: config.TEMPORAL_ADDRESS,
  identity: config.PART_ID,
  activities: createActivities({ clock, driver, registry, synthetic, parts, readyWithinMs }),
  bundle: () => workflowBundle(join(config.HOME_DIRECTORY, "temporal"), logger),
  log,
});

const hasTemporal = config.TEMPORAL_ADDRESS !== "";
const app = createApp({ isReachable: () => worker.isReachable(), hasTemporal, log });
await app.listen({ host: config.HOST, port: config.ADMIN_PORT });
shutdown.add("server", () => app.close());
log.info({ event: "listening", host: config.HOST, port: config.ADMIN_PORT });

if (hasTemporal) {
  worker.start();
  shutdown.add("temporal", () => worker.stop());
}
