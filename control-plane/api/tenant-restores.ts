import Type from "typebox";
import { Tenant } from "../../common/contracts/control-plane.ts";
import { OperationIdSchema, SlugSchema } from "../../common/contracts/ids.ts";
import { AnnounceTenantRestore, RelocateTenant, TenantRelocation } from "../../common/contracts/restores.ts";
import type { Server } from "../../common/http/server.ts";
import type { OperationId } from "../../common/ids.ts";
import { personOf } from "../auth/access.ts";
import { fail } from "../errors.ts";
import { followLease } from "../fleet/follow-lease.ts";
import { handOver, openImport, settle } from "../fleet/relocation.ts";
import { findRelocation, type OpenRelocation } from "../registry/commands.store.ts";
import { announceTenantRestore } from "../registry/lives.ts";
import { beginRelocation } from "../registry/relocations.ts";
import { showTenant } from "../registry/tenants.ts";
import { answers } from "./answers.ts";
import type { ApiContext } from "./context.ts";

const byOperation = Type.Object({ slug: SlugSchema, operation: OperationIdSchema }, { additionalProperties: false });
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
  relocationRoutes(server, context);
}

/** A restore in another cell: opened here, its rows brought by the driver, completed or given up here. */
function relocationRoutes(server: Server, context: ApiContext): void {
  server.route({
    method: "POST",
    url: "/v1/tenants/:slug/relocations",
    config: { access: "operator" },
    schema: {
      summary: "Begin to restore a tenant in another cell: both are held, and the other takes its rows",
      params: bySlug,
      body: RelocateTenant,
      response: answers(TenantRelocation),
    },
    handler: async (request) => {
      const { slug } = request.params;
      const cause = { actor: personOf(request).name, reason: request.body.reason };
      const { held, relocation } = await beginRelocation(context, cause, slug, request.body);
      const { tenant, source, destination } = relocation;
      try {
        return { held, tenant, source, destination, ...(await openImport(context, relocation)) };
      } catch (error) {
        await giveUp(context, cause.actor, relocation.operation);
        throw error;
      }
    },
  });

  server.route({
    method: "POST",
    url: "/v1/tenants/:slug/relocations/:operation/complete",
    config: { access: "operator" },
    schema: {
      summary: "Give the tenant to the cell that has its rows, by the release record of the one that owns it",
      params: byOperation,
      body: Type.Object({}, { additionalProperties: false }),
      response: answers(Tenant),
    },
    handler: async (request) => {
      const { slug } = request.params;
      await handOver(context, { actor: personOf(request).name }, await openOne(context, request.params));
      return await showTenant(context.pool, slug);
    },
  });

  server.route({
    method: "POST",
    url: "/v1/tenants/:slug/relocations/:operation/abort",
    config: { access: "operator" },
    schema: {
      summary:
        "Bring a restore in another cell to its end: the tenant stays, or, if it was given away already, arrives",
      params: byOperation,
      body: Type.Object({}, { additionalProperties: false }),
      response: answers(Tenant),
    },
    handler: async (request) => {
      const { slug } = request.params;
      await settle(context, { actor: personOf(request).name }, await openOne(context, request.params));
      return await showTenant(context.pool, slug);
    },
  });
}

/** @throws unknown-operation */
async function openOne(
  { pool }: ApiContext,
  { slug, operation }: { readonly slug: string; readonly operation: OperationId },
): Promise<OpenRelocation> {
  const relocation = await findRelocation(pool, operation);
  if (relocation?.slug !== slug) throw fail("unknown-operation", `No restore ${operation} of ${slug} is open.`);
  return relocation;
}

/** After a beginning that came to nothing. What cannot be settled now is settled by the reconciler. */
async function giveUp(context: ApiContext, actor: string, operation: OperationId): Promise<void> {
  const relocation = await findRelocation(context.pool, operation);
  if (relocation === null) return;
  await settle(context, { actor }, relocation).catch((error: unknown) =>
    context.log.warn({ event: "relocation-not-settled", operation, err: error }),
  );
}
