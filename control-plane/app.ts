import cookie from "@fastify/cookie";
// Only for its types: summaries in the schemas of routes.
import type {} from "@fastify/swagger";
import Type from "typebox";
import { createServer, type Server } from "../common/http/server.ts";
import { currentPosition } from "./fleet/publication.store.ts";
import { guardRoutes } from "./auth/access.ts";
import { answers } from "./api/answers.ts";
import { auditRoutes } from "./api/audit.ts";
import { blobRoutes } from "./api/blobs.ts";
import { cellMaintenanceRoutes } from "./api/cell-maintenance.ts";
import { cellRoutes } from "./api/cells.ts";
import type { ApiContext } from "./api/context.ts";
import { claimRoutes } from "./api/claims.ts";
import { dashboardRoutes } from "./api/dashboard.ts";
import { dnsRoutes } from "./api/dns.ts";
import { eventRoutes } from "./api/events.ts";
import { fleetRoutes } from "./api/fleet.ts";
import { jobRoutes } from "./api/jobs.ts";
import { lineRoutes } from "./api/line.ts";
import { lifeRoutes } from "./api/lives.ts";
import { operationRoutes } from "./api/operations.ts";
import { operatorRoutes } from "./api/operators.ts";
import { overviewRoutes } from "./api/overview.ts";
import { partRoutes } from "./api/parts.ts";
import { placementRoutes } from "./api/placements.ts";
import { queryRoutes } from "./api/query.ts";
import { releaseRoutes } from "./api/releases.ts";
import { rolloutRecordRoutes } from "./api/rollout-records.ts";
import { rolloutRoutes } from "./api/rollouts.ts";
import { sessionRoutes } from "./api/sessions.ts";
import { tenantRestoreRoutes } from "./api/tenant-restores.ts";
import { tenantRoutes } from "./api/tenants.ts";
import { webhookRoutes } from "./api/webhooks.ts";
import { registryTrouble } from "./registry-trouble.ts";

/** A release's runtime of 120 MB comes over a slow line, too. */
const requestTimeoutMs = 300_000;

/** The control plane's API, as a request passes through it: headers, who asks, then the routes by noun. No I/O before it listens. */
export function createApp(context: ApiContext): Server {
  const server = createServer({ log: context.log, requestTimeoutMs });
  // Answers are checked by the compiler and the tests; a serialiser per route would cost half of the boot.
  server.setSerializerCompiler(() => (value) => JSON.stringify(value));
  server.addHook("onSend", async (_request, reply) => {
    reply.headers({
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cross-origin-opener-policy": "same-origin",
      "x-frame-options": "DENY",
    });
    if (reply.getHeader("content-security-policy") === undefined)
      reply.header("content-security-policy", "default-src 'none'; frame-ancestors 'none'");
    if (reply.getHeader("cache-control") === undefined) reply.header("cache-control", "no-store");
  });
  server.addHook("preClose", async () => context.streams.endAll());

  void server.register(cookie);
  void server.register(async (api: Server) => {
    api.setErrorHandler((error: Error) => {
      // The server's own handler answers; here only what the registry's absence means is said.
      throw registryTrouble(error);
    });
    guardRoutes(api, context);
    healthRoutes(api, context);
    sessionRoutes(api, context);
    tenantRoutes(api, context);
    tenantRestoreRoutes(api, context);
    jobRoutes(api, context);
    placementRoutes(api, context);
    cellRoutes(api, context);
    cellMaintenanceRoutes(api, context);
    lifeRoutes(api, context);
    claimRoutes(api, context);
    partRoutes(api, context);
    releaseRoutes(api, context);
    blobRoutes(api, context);
    rolloutRecordRoutes(api, context);
    rolloutRoutes(api, context);
    operationRoutes(api, context);
    lineRoutes(api, context);
    webhookRoutes(api, context);
    operatorRoutes(api, context);
    dnsRoutes(api, context);
    queryRoutes(api, context);
    overviewRoutes(api, context);
    eventRoutes(api, context);
    auditRoutes(api, context);
    fleetRoutes(api, context);
    dashboardRoutes(api, context);
  });
  return server;
}

const Health = Type.Object({ status: Type.String() }, { additionalProperties: false });

function healthRoutes(server: Server, { pool }: ApiContext): void {
  server.route({
    method: "GET",
    url: "/healthz",
    config: { access: "open" },
    schema: { summary: "Alive", response: answers(Health) },
    handler: async () => ({ status: "alive" }),
  });
  server.route({
    method: "GET",
    url: "/readyz",
    config: { access: "open" },
    schema: { summary: "Can serve: the registry answers", response: answers(Health) },
    handler: async () => {
      await currentPosition(pool);
      return { status: "ready" };
    },
  });
}
