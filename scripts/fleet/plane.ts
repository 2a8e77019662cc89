import { join } from "node:path";
import { postgresProcess, type PostgresServer } from "../../cells/drivers/local/postgres.ts";
import type { FleetFile } from "../../common/contracts/home.ts";
import type { ProcessRole, ProcessSpec } from "../../common/contracts/supervisor.ts";
import { nodePath, root } from "../lib/bootstrap.mjs";
import { routerFlags } from "../lib/router-flags.ts";
import type { Temporal } from "../setup/temporal.ts";
import type { Identity } from "./identity.ts";

export interface PlaneOptions {
  readonly home: string;
  readonly file: FleetFile;
  readonly identity: Identity;
  readonly temporal: Temporal;
  readonly logLevel: string;
}

/** The database servers of the plane: name, role and database are the same word. */
export const planeDatabases = ["registry", "aggregator"] as const;
export type PlaneDatabase = (typeof planeDatabases)[number];

/** Address of a database of the plane, with its password. */
export function databaseUrl({ file, identity }: PlaneOptions, database: PlaneDatabase): string {
  const port = database === "registry" ? file.ports.registry : file.ports.aggregatorDatabase;
  return `postgres://${database}:${identity.databasePassword(database)}@127.0.0.1:${port}/${database}`;
}

/** The process of one of the plane's database servers. */
export function databaseProcess(options: PlaneOptions, database: PlaneDatabase, server: PostgresServer): ProcessSpec {
  const port = database === "registry" ? options.file.ports.registry : options.file.ports.aggregatorDatabase;
  return postgresProcess(server, { name: `${database}-postgres`, cell: null, port });
}

/** What every part needs to follow the fleet document. */
function following({ home, file, identity }: PlaneOptions, part: string): Record<string, string> {
  return {
    FLEET_URL: file.urls.controlPlane,
    FLEET_TRUST_KEYS: identity.key("publisher").spki,
    FLEET_DIRECTORY: join(home, part, "fleet"),
  };
}

function nodeProcess(
  options: PlaneOptions,
  place: {
    name: string;
    role: ProcessRole;
    main: string;
    port: number;
    url: string | null;
    health: string;
    after: string[];
    graceMs?: number;
    /** Further flags of Node. */
    flags?: readonly string[];
  },
  env: Record<string, string>,
): ProcessSpec {
  return {
    name: place.name,
    role: place.role,
    cell: null,
    release: null,
    command: nodePath(),
    args: ["--max-old-space-size=512", ...(place.flags ?? []), join(root, place.main)],
    env: { ...env, HOST: "127.0.0.1", LOG_LEVEL: options.logLevel },
    cwd: root,
    user: null,
    directoryFd: false,
    mark: null,
    staleFiles: [],
    port: place.port,
    url: place.url,
    health: { kind: "http", url: place.health },
    stopSignal: "SIGTERM",
    graceMs: place.graceMs ?? 15_000,
    after: place.after,
    desired: "running",
  };
}

/** The control plane: API, publisher, reconcilers, dashboard. */
export function controlPlaneProcess(options: PlaneOptions): ProcessSpec {
  const { home, file, identity, temporal } = options;
  return nodeProcess(
    options,
    {
      name: "control-plane",
      role: "control-plane",
      main: "control-plane/main.ts",
      port: file.ports.controlPlane,
      url: file.urls.controlPlane,
      health: `${file.urls.controlPlane}/healthz`,
      after: ["registry-postgres"],
    },
    {
      PORT: String(file.ports.controlPlane),
      DATABASE_URL: databaseUrl(options, "registry"),
      HOME_DIRECTORY: home,
      CELL_LOOPBACK: "true",
      KEY_FILE: identity.keyFile("control-plane"),
      PUBLISHER_KEY_FILE: identity.keyFile("publisher"),
      OPERATOR_TOKEN_DIGEST: identity.operatorTokenDigest(),
      BASE_DOMAIN: file.baseDomain,
      APPLICATION: file.application,
      TEMPORAL_ADDRESS: temporalAddress(options),
      TEMPORAL_MISSING: temporal.kind === "missing" ? `${temporal.reason}; ${temporal.howTo}` : "",
    },
  );
}

function temporalAddress({ file }: PlaneOptions): string {
  return file.urls.temporal?.address ?? "";
}

/** The worker that runs operations' workflows; it waits for Temporal as long as it must. */
export function workerProcess(options: PlaneOptions): ProcessSpec {
  const { home, file, identity } = options;
  return nodeProcess(
    options,
    {
      name: "worker",
      role: "worker",
      main: "workflows/main.ts",
      port: file.ports.worker,
      url: file.urls.worker,
      health: `http://127.0.0.1:${file.ports.worker}/healthz`,
      after: ["registry-postgres", "temporal", "control-plane"],
    },
    {
      ADMIN_PORT: String(file.ports.worker),
      DATABASE_URL: databaseUrl(options, "registry"),
      HOME_DIRECTORY: home,
      ROUTER_URL: file.urls.router,
      KEY_FILE: identity.keyFile("worker"),
      TEMPORAL_ADDRESS: temporalAddress(options),
      ...following(options, "worker"),
    },
  );
}

/** The router: tenants' requests on one port, its admin API on another. */
export function routerProcess(options: PlaneOptions): ProcessSpec {
  const { file, identity } = options;
  return nodeProcess(
    options,
    {
      name: "router",
      role: "router",
      main: "router/main.ts",
      port: file.ports.router,
      url: file.urls.router,
      health: `${file.urls.routerAdmin}/healthz`,
      after: ["control-plane"],
      graceMs: 20_000,
      flags: routerFlags,
    },
    {
      PORT: String(file.ports.router),
      ADMIN_PORT: String(file.ports.routerAdmin),
      ROUTER_ID: "router-1",
      KEY_FILE: identity.keyFile("router-1"),
      ...following(options, "router/router-1"),
    },
  );
}

/** The aggregator: rollups in, questions across cells answered. */
export function aggregatorProcess(options: PlaneOptions): ProcessSpec {
  const { file, identity } = options;
  return nodeProcess(
    options,
    {
      name: "aggregator",
      role: "aggregator",
      main: "aggregator/main.ts",
      port: file.ports.aggregator,
      url: file.urls.aggregator,
      health: `${file.urls.aggregator}/healthz`,
      after: ["aggregator-postgres"],
    },
    {
      PORT: String(file.ports.aggregator),
      DATABASE_URL: databaseUrl(options, "aggregator"),
      KEY_FILE: identity.keyFile("aggregator"),
      ...following(options, "aggregator"),
    },
  );
}

/** The demo's feeder. */
export function feederProcess(options: PlaneOptions, demoFile: string): ProcessSpec {
  const { file } = options;
  const port = file.ports.feeder;
  if (port === null) throw new RangeError("a fleet without demo has no feeder");
  return nodeProcess(
    options,
    {
      name: "feeder",
      role: "feeder",
      main: "scripts/demo/main.ts",
      port,
      url: null,
      health: `http://127.0.0.1:${port}/healthz`,
      after: ["router"],
    },
    { DEMO_FILE: demoFile, ROUTER_PORT: String(file.ports.router), ADMIN_PORT: String(port) },
  );
}

/** Temporal's dev server, its data on disk, ended workflows kept a day; null where Temporal is somebody else's, or missing. */
export function temporalProcess({ home, file, temporal }: PlaneOptions): ProcessSpec | null {
  if (temporal.kind !== "program") return null;
  const { ports } = file;
  const args = [
    "server",
    "start-dev",
    "--ip",
    "127.0.0.1",
    "--port",
    String(ports.temporal),
    "--ui-ip",
    "127.0.0.1",
    "--ui-port",
    String(ports.temporalUi),
  ];
  const rest = ["--db-filename", join(home, "temporal", "temporal.db"), "--log-level", "warn", "--log-format", "json"];
  return {
    name: "temporal",
    role: "temporal",
    cell: null,
    release: null,
    command: temporal.path,
    args: [...args, ...rest],
    env: {},
    cwd: join(home, "temporal"),
    user: null,
    directoryFd: false,
    mark: null,
    staleFiles: [],
    port: ports.temporal,
    url: file.urls.temporal?.ui ?? null,
    health: { kind: "tcp", port: ports.temporal },
    stopSignal: "SIGTERM",
    graceMs: 10_000,
    after: [],
    desired: "running",
  };
}
