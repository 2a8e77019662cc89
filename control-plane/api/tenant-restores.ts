import Type from "typebox";
import { Tenant } from "../../common/contracts/control-plane.ts";
import { SlugSchema } from "../../common/contracts/ids.ts";
import { AnnounceTenantRestore } from "../../common/contracts/restores.ts";
import type { Server } from "../../common/http/server.ts";
import { personOf } from "../auth/access.ts";
import { followLease } from "../fleet/follow-lease.ts";
import { announceTenantRestore } from "../registry/lives.ts";
import { showTenant } from "../registry/tenants.ts";
import { answers } from "./answers.ts";
import type { ApiContext } from "./context.ts";

const bySlug = Type.Object({ slug: SlugSchema }, { additionalProperties: false });

/** Restores of single tenants, which the cell driver carries out: the audit before, the new epoch after. */
export function tenantRestoreRoutes(server: Server, context: ApiContext): void {
  server.route({
    method: "POST",
    url: "/v1/tenants/:slug/restores",
    config: { access: "operator" },
    schema: {
      summary: "Announce a restore of a tenant: it goes into the audit with its reason",
      params: bySlug,
      body: AnnounceTenantRestore,
      response: answers(Tenant),
    },
    handler: async (request) => {
      const { slug } = request.params;
      const cause = { actor: personOf(request).name, reason: request.body.reason };
      await announceTenantRestore(context, cause, slug, request.body);
      return await showTenant(context.pool, slug);
    },
  });

  server.route({
    method: "POST",
    url: "/v1/tenants/:slug/follow",
    config: { access: "operator" },
    schema: {
      summary: "Read the tenant's lease from its cell, and publish its epoch where it is higher than the registry's",
      params: bySlug,
      body: Type.Object({}, { additionalProperties: false }),
      response: answers(Tenant),
    },
    handler: async (request) => {
      const { slug } = request.params;
      await followLease(context, { actor: personOf(request).name }, slug);
      return await showTenant(context.pool, slug);
    },
  });
}
