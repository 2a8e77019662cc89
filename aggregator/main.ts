import { Agent } from "undici";
import { systemClock } from "../common/clock.ts";
import { commandTokens } from "../common/command-tokens.ts";
import { maskConfig } from "../common/config.ts";
import { FleetBundle } from "../common/fleet/bundle.ts";
import { MapRows } from "../common/fleet/rows.ts";
import { FleetSubscription } from "../common/fleet/subscription.ts";
import { Shutdown } from "../common/http/shutdown.ts";
import { loadSigningKey } from "../common/keys.ts";
import { createLog } from "../common/log.ts";
import { createPool } from "../common/postgres/pool.ts";
import { createApp } from "./app.ts";
import { AggregatorConfig, readAggregatorConfig } from "./config.ts";
import { migrateWhenReachable } from "./migrate.ts";
import { createCellAsker } from "./fanout/ask.ts";
import { fleetOf } from "./fleet.ts";
import { startRetention } from "./ingest/retention.ts";

const config = readAggregatorConfig();
const log = createLog(config.PART_ID, config.LOG_LEVEL);
log.info({ event: "configured", config: maskConfig(AggregatorConfig, config) });
const shutdown = new Shutdown(log);
shutdown.listen();

const key = loadSigningKey(config.KEY_FILE);
const clock = systemClock;
const pool = createPool({ url: config.DATABASE_URL, application: config.PART_ID, log });
shutdown.add("database", () => pool.end());

const subscription = new FleetSubscription({
  url: config.FLEET_URL,
  part: config.PART_ID,
  key,
  trustKeys: config.FLEET_TRUST_KEYS.split(",").filter((text) => text !== ""),
  keeper: new FleetBundle(config.FLEET_DIRECTORY),
  createRows: () => new MapRows(),
  clock,
  log,
});
subscription.start();
shutdown.add("fleet", () => subscription.stop());

const dispatcher = new Agent({ connections: 4, keepAliveTimeout: 30_000 });
shutdown.add("connections", () => dispatcher.close());
const asker = createCellAsker({ dispatcher, tokenFor: commandTokens(config.PART_ID, key, clock), clock, log });

const fleet = fleetOf(subscription);
const app = createApp({ part: config.PART_ID, pool, fleet, asker, clock, retentionDays: config.RETENTION_DAYS, log });
await app.listen({ host: config.HOST, port: config.PORT });
shutdown.add("server", () => app.close());
log.info({ event: "listening", host: config.HOST, port: config.PORT });

const migrated = new AbortController();
shutdown.add("migration", () => migrated.abort());
await migrateWhenReachable(pool, log, migrated.signal);
const retention = startRetention({ pool, clock, days: config.RETENTION_DAYS, log });
shutdown.add("retention", () => retention.stop());
