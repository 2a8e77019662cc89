import Type from "typebox";
import {
  CreateTenant,
  CreatedKey,
  CreatedTenant,
  SuspendTenant,
  Tenant,
  TenantList,
} from "../../common/contracts/control-plane.ts";
import { CellIdSchema, KeyIdSchema, SlugSchema } from "../../common/contracts/ids.ts";
import type { Server } from "../../common/http/server.ts";
import { personOf } from "../auth/access.ts";
import { downCells } from "../fleet/cell-health.ts";
import {
  createKey,
  beginTenant,
  deliverTenant,
  resumeTenant,
  revokeKey,
  showTenant,
  showTenants,
  suspendTenant,
} from "../registry/tenants.ts";
import { readSettings } from "../registry/settings.store.ts";
import { answers, created } from "./answers.ts";
import type { ApiContext } from "./context.ts";
import { settled, untilServed } from "./served.ts";

const pageLimit = 1_000;
const bySlug = Type.Object({ slug: SlugSchema }, { additionalProperties: false });
const byKey = Type.Object({ slug: SlugSchema, id: KeyIdSchema }, { additionalProperties: false });
const ListQuery = Type.Object(
  {
    /** The slug that the page before ended with. */
    after: Type.Optional(SlugSchema),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: pageLimit })),
    cell: Type.Optional(CellIdSchema),
    synthetic: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);

/** Tenants and their keys. */
export function tenantRoutes(server: Server, context: ApiContext): void {
  const { pool } = context;

  server.route({
    method: "GET",
    url: "/v1/tenants",
    config: { access: "viewer" },
    schema: {
      summary: "List tenants by slug, at most 1,000 at once",
      querystring: ListQuery,
      response: answers(TenantList),
    },
    handler: async ({ query }) => ({ tenants: await showTenants(pool, { ...query, limit: query.limit ?? pageLimit }) }),
  });

  server.route({
    method: "POST",
    url: "/v1/tenants",
    config: { access: "operator" },
    schema: {
      summary: "Create a tenant; answers when it is served",
      description:
        "Repeat the same call after a 503 `cell-unreachable`: it goes on where it was. The key is shown this once.",
      body: CreateTenant,
      response: created(CreatedTenant),
    },
    handler: async (request, reply) => {
      const cause = { actor: personOf(request).name };
      const { tenant, key } = await beginTenant(context, cause, request.body, downCells(context.monitor.cells));
      await untilServed(context, tenant);
      await deliverTenant(context, tenant.id);
      const { baseDomain } = await readSettings(pool);
      const { id, slug, tier, cell, explanation } = tenant;
      return reply.code(201).send({ id, slug, host: `${slug}.${baseDomain}`, tier, cell, key: key.key, explanation });
    },
  });

  server.route({
    method: "GET",
    url: "/v1/tenants/:slug",
    config: { access: "viewer" },
    schema: { summary: "Show a tenant", params: bySlug, response: answers(Tenant) },
    handler: async ({ params }) => await showTenant(pool, params.slug),
  });

  for (const [verb, apply] of [
    ["suspend", suspendTenant],
    ["resume", resumeTenant],
  ] as const) {
    server.route({
      method: "POST",
      url: `/v1/tenants/:slug/${verb}`,
      config: { access: "operator" },
      schema: {
        summary: `${verb === "suspend" ? "Suspend" : "Resume"} a tenant`,
        params: bySlug,
        body: SuspendTenant,
        response: answers(Tenant),
      },
      handler: async (request) => {
        const cause = { actor: personOf(request).name, reason: request.body.reason };
        await apply(context, cause, request.params.slug);
        await settled(context);
        return await showTenant(pool, request.params.slug);
      },
    });
  }

  server.route({
    method: "POST",
    url: "/v1/tenants/:slug/keys",
    config: { access: "operator" },
    schema: {
      summary: "Give a tenant one more API key; it is shown this once",
      params: bySlug,
      response: created(CreatedKey),
    },
    handler: async (request, reply) => {
      const key = await createKey(context, { actor: personOf(request).name }, request.params.slug);
      await settled(context);
      return reply.code(201).send({ id: key.id, key: key.key });
    },
  });

  server.route({
    method: "DELETE",
    url: "/v1/tenants/:slug/keys/:id",
    config: { access: "operator" },
    schema: { summary: "Revoke an API key", params: byKey, response: answers(Type.Null()) },
    handler: async (request) => {
      await revokeKey(context, { actor: personOf(request).name }, request.params.slug, request.params.id);
      await settled(context);
      return null;
    },
  });
}
