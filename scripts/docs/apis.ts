import { createApp as createAggregator, type AppOptions as AggregatorOptions } from "../../aggregator/app.ts";
import { type AdminOptions, createAdminServer, createWorkerServer } from "../../cells/admin/app.ts";
import { ConnectionCounter } from "../../cells/kit/connections.ts";
import { createTenantServer, type TenantServerOptions } from "../../cells/kit/server.ts";
import type { TenantServices } from "../../cells/kit/tenant.ts";
import pulse from "../../cells/pulse/app.ts";
import type { PulseSettings } from "../../cells/pulse/settings.ts";
import { systemClock } from "../../common/clock.ts";
import { createLog } from "../../common/log.ts";
import type { ApiContext } from "../../control-plane/api/context.ts";
import { createApp as createControlPlane } from "../../control-plane/app.ts";
import type { AdminOptions as RouterAdminOptions } from "../../router/admin/options.ts";
import { createAdmin as createRouterAdmin } from "../../router/admin/server.ts";
import { type AppOptions as WorkerOptions, createApp as createWorkflowWorker } from "../../workflows/app.ts";
import type { Api, SecurityScheme } from "./openapi.ts";
import { type DeclaredRoute, outline } from "./routes.ts";

const log = createLog("docs", "silent");

function bearer(bearerFormat: string, description: string): SecurityScheme {
  return { type: "http", scheme: "bearer", bearerFormat, description };
}

const commandToken = bearer(
  "JWS",
  "A command token: a JWS (EdDSA) of the type `cp-command`, signed with the calling part's own key for this audience, good for a minute.",
);
/** Of admin APIs: health and metrics are open, all else is for parts. */
const forParts = ({ url }: DeclaredRoute): readonly string[] => (url.startsWith("/v1/") ? ["commandToken"] : []);

const roles = ["viewer", "operator", "admin"] as const;
const accessOf = (route: DeclaredRoute): string => route.config?.access ?? "undeclared";

const controlPlane: Api = {
  name: "control-plane",
  title: "Cellplane: control plane",
  description: "Tenants, cells, releases, rollouts, DNS, audit, and the fleet document's feed.",
  server: { url: "http://127.0.0.1:8081", description: "As `npm start` serves it" },
  build: () => createControlPlane(outline<ApiContext>({ log, cookieName: "session", dashboardDirectory: "/" })),
  securitySchemes: {
    operatorToken: bearer(
      "cpo_…",
      "An operator's token; `npm start` leaves the first one in `<home>/secrets/operator-token`.",
    ),
    session: {
      type: "apiKey",
      in: "cookie",
      name: "cellplane_session_8081",
      description: "The dashboard's session, from `POST /v1/sessions`; the name ends with the control plane's port.",
    },
    commandToken,
  },
  securityOf(route) {
    const access = accessOf(route);
    if (access === "open") return [];
    if (access === "part") return ["commandToken"];
    return access === "token-only" ? ["operatorToken"] : ["operatorToken", "session"];
  },
  accessNote(route) {
    const role = roles.find((name) => name === accessOf(route));
    return role === undefined ? undefined : `Needs the role ${role}.`;
  },
};

const routerAdmin: Api = {
  name: "router-admin",
  title: "Cellplane: router, admin API",
  description:
    "Health, status, samples and metrics of one router. Tenants are served on another port, which passes their requests on.",
  build: () => createRouterAdmin(outline<RouterAdminOptions>({ log, envoyExport: true })),
  securitySchemes: { commandToken },
  securityOf: forParts,
};

const aggregator: Api = {
  name: "aggregator",
  title: "Cellplane: aggregator",
  description: "Takes rollups from cells; answers questions over all cells, each answer with its coverage.",
  build: () => createAggregator(outline<AggregatorOptions>({ log })),
  securitySchemes: { commandToken },
  securityOf: forParts,
};

const cellAdmin: Api = {
  name: "cell-admin",
  title: "Cellplane: cell, admin API",
  description: "Leases, the live slot, status, samples and aggregates of one cell.",
  build: () => createAdminServer(adminOutline()),
  securitySchemes: { commandToken },
  securityOf: forParts,
};

const cellWorkerAdmin: Api = {
  name: "cell-worker-admin",
  title: "Cellplane: cell's queue worker, admin API",
  description: "Health and status of a cell's queue worker.",
  build: () => createWorkerServer(adminOutline()),
  securitySchemes: { commandToken },
  securityOf: forParts,
};

const worker: Api = {
  name: "worker-admin",
  title: "Cellplane: workflow worker, admin API",
  description: "Health of the workflow worker; all else reaches it through Temporal.",
  build: () => createWorkflowWorker(outline<WorkerOptions>({ log })),
  securitySchemes: {},
  securityOf: () => [],
};

const pulseApi: Api = {
  name: "pulse",
  title: "Pulse",
  description:
    "The reference application's API for tenants, as a router serves it: customers' programs send events and read what they say.",
  server: {
    url: "http://acme.cellplane.localhost:8080",
    description: "The host of the tenant `acme` at the router that `npm start` starts",
  },
  build: () =>
    createTenantServer(
      outline<TenantServerOptions<typeof PulseSettings>>({
        app: pulse,
        settings: { PULSE_RETENTION_HOURS: 48 },
        connections: new ConnectionCounter(systemClock),
        services: outline<TenantServices>({ log }),
        requestTimeoutMs: 25_000,
      }),
    ),
  securitySchemes: { apiKey: bearer("cpk_…", "An API key of the tenant whose host is asked.") },
  securityOf: ({ config }) => ((config?.auth ?? "key") === "key" ? ["apiKey"] : []),
  accessNote: ({ config }) => (config?.auth === "none" ? "Needs no API key." : undefined),
};

function adminOutline(): AdminOptions {
  return outline<AdminOptions>({ log, status: outline({}), commands: outline({}), aggregates: outline({}) });
}

/** Every HTTP API of the project. (The supervisor's is no Fastify app; cells/drivers/local/supervisor/server.ts lists its few calls.) */
export const apis: readonly Api[] = [
  aggregator,
  cellAdmin,
  cellWorkerAdmin,
  controlPlane,
  pulseApi,
  routerAdmin,
  worker,
];
