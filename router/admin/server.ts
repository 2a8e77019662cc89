import Type from "typebox";
import { CommandToken } from "../../common/contracts/assertion.ts";
import { SlugSchema } from "../../common/contracts/ids.ts";
import { Problem } from "../../common/contracts/problem.ts";
import { RouterStatus, Samples } from "../../common/contracts/samples.ts";
import { toPrometheus } from "../../common/metrics/prometheus.ts";
import { httpError } from "../../common/http/errors.ts";
import { metricsContentType } from "../../common/http/metrics-page.ts";
import { createServer, type Server } from "../../common/http/server.ts";
import { TokenRefused, verifyToken } from "../../common/tokens.ts";
import { controlRoutes } from "./control.ts";
import { envoyExport } from "./envoy-routes.ts";
import type { AdminOptions } from "./options.ts";
import { TableStatus, WhereTenant, tableStatusOf, whereIs } from "./table-status.ts";

const Alive = Type.Object({ ok: Type.Boolean() }, { additionalProperties: false });

/** Seconds since the table was last known to be current, or `unknown`: on every answer of the admin API. */
const tableAgeHeader = "cellplane-table-age";

/** The router's admin API (contracts/samples.ts), on its own port. */
export function createAdmin(options: AdminOptions): Server {
  const { parts, subscription } = options;
  const server = createServer({ log: options.log });
  server.addHook("onSend", async (_request, reply) => {
    const { ageSeconds } = subscription.status;
    void reply.header(tableAgeHeader, Number.isFinite(ageSeconds) ? String(Math.floor(ageSeconds)) : "unknown");
  });

  server.get("/healthz", { schema: { summary: "The process is alive", response: { 200: Alive } } }, async () => ({
    ok: true,
  }));
  server.get(
    "/readyz",
    { schema: { summary: "Tenants can be served", response: { 200: Alive, 503: Problem } } },
    async () => {
      if (!options.control.ready()) throw httpError("unavailable", "The router is draining or stopping.");
      if (subscription.document === null) throw httpError("unavailable", "There is no fleet document yet.");
      return { ok: true };
    },
  );
  server.get(
    "/metrics",
    {
      schema: {
        summary: "Metrics in Prometheus' text format",
        produces: ["text/plain"],
        response: { 200: Type.String() },
      },
    },
    async (_request, reply) => {
      void reply.type(metricsContentType);
      return toPrometheus(options.metrics());
    },
  );

  void server.register(async (guarded) => {
    guarded.addHook("onRequest", async (request) => checkCommand(options, request.headers.authorization));
    guarded.get(
      "/v1/status",
      { schema: { summary: "Table, cells and breakers", response: { 200: RouterStatus } } },
      async () => statusOf(options),
    );
    guarded.get(
      "/v1/samples",
      { schema: { summary: "Counters by cell, release and kind of traffic", response: { 200: Samples } } },
      async () => parts.samples.toSamples(),
    );
    guarded.get(
      "/v1/tenants/:slug",
      {
        schema: {
          summary: "Where a tenant's requests go",
          params: Type.Object({ slug: SlugSchema }),
          response: { 200: WhereTenant, 404: Problem },
        },
      },
      async (request) => whereIs((request.params as { slug: string }).slug, parts),
    );
    guarded.get("/v1/table", { schema: { summary: "The table, in full", response: { 200: TableStatus } } }, async () =>
      tableStatusOf(parts, subscription, options.alarms()),
    );
    controlRoutes(guarded, options);
  });
  if (options.envoyExport) envoyExport(server, options);
  return server;
}

function statusOf({ id, parts, subscription, startedAt }: AdminOptions): RouterStatus {
  const { generation, ageSeconds, source } = subscription.status;
  return {
    id,
    generation: generation ?? { term: 0, n: 0 },
    // JSON has no infinity: a table that was never known to be current in this life is as old as the process, at the least.
    tableAgeSeconds: Number.isFinite(ageSeconds) ? ageSeconds : (Date.now() - startedAt.getTime()) / 1000,
    source,
    tenants: parts.table.tenants,
    cells: [...parts.table.cells()].map((cell) => ({
      cell: cell.id,
      liveSlot: parts.liveSlots.of(cell.id),
      breaker: parts.breakers.of(cell.id).state,
      inFlight: parts.cellInFlight.of(cell.id),
    })),
    startedAt: startedAt.toISOString(),
  };
}

/** Only the control plane and the worker may ask, by a token made for this very router. */
async function checkCommand(options: AdminOptions, authorization: string | undefined): Promise<void> {
  const token = /^Bearer ([^ ]+)$/i.exec(authorization ?? "")?.[1];
  if (token === undefined) throw httpError("unauthenticated", "A command token is needed.");
  const { trust } = options.subscription;
  try {
    const { payload, kid } = await verifyToken(token, {
      type: "cp-command",
      schema: CommandToken,
      keys: trust.lookup("control-plane", "worker"),
      audience: options.id,
      nowSeconds: Math.floor(options.parts.clock.now() / 1000),
    });
    if (trust.find(kid)?.part !== payload.iss) throw new TokenRefused("malformed", "signed by another than it says");
  } catch (cause) {
    if (!(cause instanceof TokenRefused)) throw cause;
    options.log.warn({ event: "command-refused", reason: cause.reason });
    throw httpError("unauthenticated", "The command token is not valid here.", { cause });
  }
}
