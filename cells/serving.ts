import { join } from "node:path";
import { systemClock, type Clock } from "../common/clock.ts";
import type { PartRow, TenantRow } from "../common/contracts/fleet.ts";
import { FleetBundle } from "../common/fleet/bundle.ts";
import { MapRows } from "../common/fleet/rows.ts";
import { FleetSubscription } from "../common/fleet/subscription.ts";
import type { TenantId } from "../common/ids.ts";
import { loadSigningKey, type SigningKey } from "../common/keys.ts";
import { createLog, type Logger } from "../common/log.ts";
import { Shutdown } from "../common/http/shutdown.ts";
import { createPool, type Pool } from "../common/postgres/pool.ts";
import type { StatusOptions } from "./admin/status.ts";
import { slotChannel } from "./kit/cell.store.ts";
import { CellState } from "./kit/cell-state.ts";
import { ClockSkew } from "./kit/clock-skew.ts";
import type { CellApp } from "./kit/kit.ts";
import { kitNeeds } from "./kit/migrations.ts";
import { SchemaWatch } from "./kit/lint/watch.ts";
import { DiskWatch } from "./kit/disk.ts";
import { PostgresEvents } from "./kit/postgres-events.ts";
import { FairShare, jobParts } from "./kit/fair-share.ts";
import { TenantDatabase } from "./kit/tenant.store.ts";
import { tenantTimeouts, type PoolSizes } from "./limits.ts";
import { printable, type ApiConfig, type WorkerConfig } from "./config.ts";

/** What both processes of a slot are made of. */
export interface ServingParts {
  readonly config: ApiConfig | WorkerConfig;
  readonly clock: Clock;
  readonly log: Logger;
  readonly key: SigningKey;
  readonly shutdown: Shutdown;
  readonly system: Pool;
  readonly database: TenantDatabase;
  readonly state: CellState;
  readonly schema: SchemaWatch;
  readonly disk: DiskWatch;
  readonly skews: { readonly assertions: ClockSkew; readonly commands: ClockSkew };
  readonly events: PostgresEvents;
  readonly fleet: FleetSubscription;
  readonly startedAt: Date;
}

/** Builds what API and worker share, and begins to follow fleet document and database. What is started last stops first. */
export function startServing(
  role: "api" | "worker",
  app: CellApp,
  config: ApiConfig | WorkerConfig,
  pools: PoolSizes,
): ServingParts {
  const clock = systemClock;
  const log = createLog(`cell-${role}`, config.LOG_LEVEL, {
    cell: config.CELL_ID,
    slot: config.SLOT,
    release: config.RELEASE,
  });
  log.info({ event: "starting", config: printable(config) });
  const shutdown = new Shutdown(log);
  shutdown.listen();
  const key = loadSigningKey(config.CELL_KEY_FILE);
  const name = `${config.CELL_ID}-${role}-${config.SLOT}`;

  const tenants = createPool({
    url: asTenant(config.APP_DATABASE_URL),
    application: name,
    max: pools.app,
    statementTimeoutMs: tenantTimeouts.statementMs,
    idleInTransactionTimeoutMs: tenantTimeouts.idleInTransactionMs,
    pipeline: true,
    log,
  });
  const system = createPool({ url: config.SYSTEM_DATABASE_URL, application: `${name}-system`, max: pools.system, log });
  shutdown.add("database", async () => {
    await Promise.all([tenants.end(), system.end()]);
  });
  const state = new CellState({
    slot: config.SLOT,
    system,
    incarnationFile: config.INCARNATION_FILE,
    needs: { kit: kitNeeds, app: app.migrations.needs },
    log,
  });
  shutdown.add("cell-state", () => state.stop());
  const disk = new DiskWatch({ directory: config.DATA_DIRECTORY ?? null, floorMb: config.DISK_FLOOR_MB, log });
  disk.start();
  shutdown.add("disk-watch", () => disk.stop());
  const schema = new SchemaWatch({ system, log });
  shutdown.add("schema-watch", () => schema.stop());
  const events = new PostgresEvents(config.SYSTEM_DATABASE_URL, `${name}-events`, log);
  events.on(slotChannel, () => void state.look());
  shutdown.add("database-events", () => events.stop());
  const fleet = new FleetSubscription({
    url: config.FLEET_URL,
    part: config.CELL_ID,
    key,
    trustKeys: config.FLEET_TRUST_KEYS.split(",").map((spki) => spki.trim()),
    keeper: new FleetBundle(join(config.FLEET_DIRECTORY, `${role}-${config.SLOT}`)),
    createRows: () => new MapRows(),
    clock,
    log,
  });
  fleet.start();
  shutdown.add("fleet", () => fleet.stop());
  return {
    config,
    clock,
    log,
    key,
    shutdown,
    system,
    database: new TenantDatabase(
      tenants,
      log,
      () => disk.admitWrite(),
      new FairShare(pools.app, role === "worker" ? jobParts : undefined),
    ),
    state,
    schema,
    disk,
    skews: { assertions: new ClockSkew("routers", clock, log), commands: new ClockSkew("control plane", clock, log) },
    events,
    fleet,
    startedAt: new Date(clock.now()),
  };
}

/** What the status of a process is read from. */
export function statusOptions(parts: ServingParts, load: StatusOptions["load"]): StatusOptions {
  return {
    cell: parts.config.CELL_ID,
    release: parts.config.RELEASE,
    digest: parts.config.RELEASE_DIGEST,
    state: parts.state,
    schema: parts.schema,
    disk: parts.disk,
    skews: Object.values(parts.skews),
    system: parts.system,
    generation: () => parts.fleet.status.generation,
    load,
    startedAt: parts.startedAt,
    log: parts.log,
  };
}

/** Whether the fleet document calls a tenant synthetic. */
export function isSynthetic(fleet: FleetSubscription, tenant: TenantId): boolean {
  return (fleet.document?.row(`tenant/${tenant}`) as TenantRow | undefined)?.synthetic ?? false;
}

/** The aggregator's address, null while the fleet document names none. */
export function aggregatorUrl(fleet: FleetSubscription): string | null {
  return (fleet.document?.row("part/aggregator") as PartRow | undefined)?.url ?? null;
}

/**
 * Session settings of tenants' connections. No parallel workers: one tenant's large question must not take the cell's cores. Some memory for sorting and
 * hashing, because with the default of 4 MB the sets of a busy tenant's day go to disk. Random reads cost little on what databases lie on today.
 */
function asTenant(url: string): string {
  const settings = {
    transaction_timeout: tenantTimeouts.transactionMs,
    lock_timeout: tenantTimeouts.lockMs,
    max_parallel_workers_per_gather: 0,
    work_mem: "16MB",
    random_page_cost: 1.1,
  };
  const tenants = new URL(url);
  const options = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
  tenants.searchParams.set("options", options.join(" "));
  return tenants.href;
}
