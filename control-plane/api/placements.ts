import Type from "typebox";
import { Placement, WhatIf } from "../../common/contracts/control-plane.ts";
import { SlugSchema } from "../../common/contracts/ids.ts";
import type { Server } from "../../common/http/server.ts";
import { tenantId } from "../../common/ids.ts";
import { uuidv7 } from "../../common/uuid.ts";
import { fail } from "../errors.ts";
import { downCells } from "../fleet/cell-health.ts";
import { NoCellFits } from "../placement/errors.ts";
import { explain, explainRefusal } from "../placement/explain.ts";
import { listCells } from "../registry/cells.store.ts";
import { demandOf, placeAwayFromDown } from "../registry/placement.ts";
import { findTenant } from "../registry/tenants.store.ts";
import { answers } from "./answers.ts";
import type { ApiContext } from "./context.ts";

/** Why a tenant is where it is, and where another would go. */
export function placementRoutes(server: Server, context: ApiContext): void {
  server.route({
    method: "GET",
    url: "/v1/tenants/:slug/placement",
    config: { access: "viewer" },
    schema: {
      summary: "Explain where a tenant is placed, as it was decided",
      params: Type.Object({ slug: SlugSchema }, { additionalProperties: false }),
      response: answers(Placement),
    },
    handler: async ({ params }) => {
      const tenant = await findTenant(context.pool, params.slug);
      if (tenant === null) throw fail("unknown-tenant", `There is no tenant ${params.slug}.`);
      const { slug, cell, explanation, decision } = tenant;
      return { tenant: slug, cell, explanation, candidates: [...(decision?.candidates ?? [])] };
    },
  });

  server.route({
    method: "POST",
    url: "/v1/placements/what-if",
    config: { access: "viewer" },
    schema: {
      summary: "Where would such a tenant go now? Changes nothing",
      body: WhatIf,
      response: answers(Placement),
    },
    handler: async ({ body }) => {
      const demand = demandOf(tenantId(uuidv7()), body.tier, body.region ?? null);
      const cells = await listCells(context.pool);
      try {
        const decision = placeAwayFromDown(demand, cells, downCells(context.monitor.cells), body.strategy);
        return {
          tenant: null,
          cell: decision.cell,
          explanation: explain(decision),
          candidates: [...decision.candidates],
        };
      } catch (error) {
        if (!(error instanceof NoCellFits)) throw error;
        return { tenant: null, cell: null, explanation: explainRefusal(error), candidates: [...error.candidates] };
      }
    },
  });
}
