import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock, type Clock } from "../common/clock.ts";
import type { Shutdown } from "../common/http/shutdown.ts";
import { partId } from "../common/ids.ts";
import { ensureSigningKey } from "../common/keys.ts";
import { AddressPolicy, isLoopback } from "../common/net/address-policy.ts";
import type { Logger } from "../common/log.ts";
import { createPool, type Pool } from "../common/postgres/pool.ts";
import type { ApiContext } from "./api/context.ts";
import { OpenStreams } from "./api/event-stream.ts";
import { createApp } from "./app.ts";
import { registerFirstOperator } from "./auth/credentials.ts";
import { PartKeys } from "./auth/part-keys.ts";
import type { Config } from "./config.ts";
import { createLeaseReconciler } from "./fleet/lease-reconciler.ts";
import { createLifeReconciler } from "./fleet/life-reconciler.ts";
import { Monitor } from "./fleet/monitor.ts";
import { createPartClient } from "./fleet/part-client.ts";
import { createRelocationReconciler } from "./fleet/relocation-reconciler.ts";
import { FleetPublisher } from "./fleet/publisher.ts";
import { createTrafficRecorder } from "./fleet/traffic-recorder.ts";
import { createHostedZone } from "./operations/dns.ts";
import { createLineKeeper } from "./operations/line-keeper.ts";
import { createStarter } from "./operations/starter.ts";
import { createTemporal } from "./operations/temporal.ts";
import { registryTrouble } from "./registry-trouble.ts";
import { createBlobCollector } from "./registry/blob-collector.ts";
import { BlobStore } from "./registry/blobs.ts";
import { createWebhookClient } from "./webhooks/client.ts";
import { createDeliverer } from "./webhooks/deliverer.ts";
import { migrateRegistry } from "./registry/migrations.store.ts";
import { Notifications } from "./registry/notifications.store.ts";
import { putPart, putSettings } from "./registry/parts.ts";

/** A database that has just been started may take this long to be there. */
const registryPatienceMs = 60_000;
const creationWaitMs = 30_000;

export interface Plane {
  readonly url: string;
  readonly context: ApiContext;
}

/**
 * Puts the control plane together and starts it: registry, keys, publisher, API, then the loops that reconcile. What it takes it hands to
 * `shutdown`.
 * @param options.creationWaitMs how long a creation waits for its cell; given by tests.
 * @param options.webhookPauses seconds between the tries of a webhook; given by tests.
 */
export async function startPlane(
  config: Config,
  log: Logger,
  shutdown: Shutdown,
  options: { readonly creationWaitMs?: number; readonly webhookPauses?: readonly number[] } = {},
): Promise<Plane> {
  const clock = systemClock;
  const pool = createPool({ url: config.DATABASE_URL, application: config.PART_ID, max: 20, log });
  shutdown.add("registry", () => pool.end());
  await whenThere(clock, async () => {
    const ran = await migrateRegistry(pool);
    if (ran.length > 0) log.info({ event: "registry-migrated", migrations: ran });
  });

  const key = ensureSigningKey(config.KEY_FILE);
  const publisherKey = ensureSigningKey(config.PUBLISHER_KEY_FILE);
  await introduce(config, { pool, clock }, { own: key.spki, publisher: publisherKey.spki });

  const blobs = new BlobStore(join(config.HOME_DIRECTORY, "control-plane", "blobs"));
  await blobs.open();
  const publisher = new FleetPublisher({ pool, key: publisherKey, log });
  await publisher.start();
  shutdown.add("publisher", () => publisher.stop());
  const notifications = new Notifications(config.DATABASE_URL, log);
  shutdown.add("notifications", () => notifications.stop());
  const policy = new AddressPolicy({ loopback: config.CELL_LOOPBACK ?? isLoopback(config.HOST) });
  const parts = createPartClient(config.PART_ID, key, clock, policy);
  shutdown.add("part client", () => parts.close());
  const webhooks = createWebhookClient(clock, policy);
  shutdown.add("webhooks", () => webhooks.close());
  const engine = createTemporal(config.TEMPORAL_ADDRESS, log);
  shutdown.add("temporal", () => engine.close());

  const partKeys = new PartKeys(pool, clock);
  const monitor = new Monitor({ pool, clock, parts, log });
  const leases = createLeaseReconciler({ pool, clock, parts, log });
  const lives = createLifeReconciler({ pool, clock, parts, monitor, log });
  const relocations = createRelocationReconciler({ pool, clock, parts, log });
  const collector = createBlobCollector({ pool, clock, blobs, log });
  const recorder = createTrafficRecorder({ pool, clock, parts, log });
  const starter = createStarter({ pool, engine, log });
  const lineKeeper = createLineKeeper({ pool, engine, log });
  const pauses = options.webhookPauses;
  const deliverer = createDeliverer({ pool, client: webhooks, log, ...(pauses === undefined ? {} : { pauses }) });
  const signing = publisher.createLoop();
  let ownUrl = `http://${config.HOST}:${config.PORT}`;
  const context: ApiContext = {
    pool,
    clock,
    log,
    partKeys,
    publisher,
    parts,
    monitor,
    leases,
    starter,
    lineKeeper,
    webhooks,
    engine,
    temporalMissing: config.TEMPORAL_MISSING,
    blobs,
    notifications,
    zone: createHostedZone({ zoneId: config.ROUTE53_ZONE_ID, endpoint: config.ROUTE53_ENDPOINT }, clock),
    dns: {
      fleet: config.FLEET_NAME,
      routers: config.DNS_ROUTERS,
      healthPort: config.DNS_HEALTH_PORT,
      healthPath: config.DNS_HEALTH_PATH,
    },
    streams: new OpenStreams(log),
    cookieName: `cellplane_session_${config.PORT}`,
    dashboardDirectory: config.DASHBOARD_DIRECTORY,
    cellAddresses: { policy, own: () => [ownUrl] },
    creationWaitMs: options.creationWaitMs ?? creationWaitMs,
  };
  const app = createApp(context);
  const url = await app.listen({ host: config.HOST, port: config.PORT });
  ownUrl = url;
  shutdown.add("api", () => app.close());

  notifications.on("fleet", () => {
    partKeys.invalidate();
    signing.signal();
  });
  notifications.on("leases", () => leases.loop.signal());
  notifications.on("rollouts", () => {
    starter.signal();
    lineKeeper.signal();
  });
  notifications.on("webhooks", () => deliverer.signal());
  const reconcilers = [
    deliverer,
    monitor.loop,
    leases.loop,
    lives,
    relocations,
    starter,
    lineKeeper,
    collector,
    recorder,
  ];
  for (const loop of [signing, ...reconcilers]) {
    loop.start();
    shutdown.add("loop", () => loop.stop());
  }
  notifications.start();
  return { url, context };
}

/** Writes into the registry, and so into the fleet document, who this control plane is and whose word it serves. */
async function introduce(
  config: Config,
  wiring: { readonly pool: Pool; readonly clock: Clock },
  keys: { readonly own: string; readonly publisher: string },
): Promise<void> {
  const cause = { actor: config.PART_ID };
  await putSettings(wiring, cause, { baseDomain: config.BASE_DOMAIN, application: config.APPLICATION });
  await putPart(wiring, cause, { id: partId("publisher"), role: "publisher", keys: [keys.publisher], url: null });
  const url = `http://${config.HOST}:${config.PORT}`;
  await putPart(wiring, cause, { id: partId(config.PART_ID), role: "control-plane", keys: [keys.own], url });
  if (config.OPERATOR_TOKEN_DIGEST !== "") await registerFirstOperator(wiring, config.OPERATOR_TOKEN_DIGEST);
}

/** Waits for a database that is not up yet. */
async function whenThere(clock: Clock, work: () => Promise<void>): Promise<void> {
  const deadline = clock.monotonic() + registryPatienceMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (registryTrouble(error as Error) === error || clock.monotonic() > deadline) throw error;
      await sleep(100);
    }
  }
}
