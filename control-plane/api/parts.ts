import Type from "typebox";
import { Part, PartList, RegisterPart } from "../../common/contracts/control-plane.ts";
import { PartIdSchema } from "../../common/contracts/ids.ts";
import type { Server } from "../../common/http/server.ts";
import { personOf } from "../auth/access.ts";
import { fail } from "../errors.ts";
import { putPart } from "../registry/parts.ts";
import { findPart, listParts } from "../registry/parts.store.ts";
import { answers } from "./answers.ts";
import type { ApiContext } from "./context.ts";

const byId = Type.Object({ id: PartIdSchema }, { additionalProperties: false });

/** Who is who: routers, aggregator, workers, with their keys and addresses. Cells register as cells. */
export function partRoutes(server: Server, context: ApiContext): void {
  const { pool } = context;

  server.route({
    method: "GET",
    url: "/v1/parts",
    config: { access: "viewer" },
    schema: { summary: "List registered parts", response: answers(PartList) },
    handler: async () => ({ parts: await listParts(pool) }),
  });

  server.route({
    method: "GET",
    url: "/v1/parts/:id",
    config: { access: "viewer" },
    schema: { summary: "Show a part", params: byId, response: answers(Part) },
    handler: async ({ params }) => {
      const part = await findPart(pool, params.id);
      if (part === null) throw fail("unknown-part", `No part ${params.id} is registered.`);
      return part;
    },
  });

  server.route({
    method: "PUT",
    url: "/v1/parts/:id",
    config: { access: "admin" },
    schema: {
      summary: "Register a part, or change its keys and address",
      params: byId,
      body: RegisterPart,
      response: answers(Part),
    },
    handler: async (request) => {
      const { role, keys, url } = request.body;
      if (role === "cell" || role === "publisher") throw fail("part-differs", `A ${role} is not registered here.`);
      const part = { id: request.params.id, role, keys, url };
      await putPart(context, { actor: personOf(request).name }, part);
      context.monitor.loop.signal();
      return part;
    },
  });
}
