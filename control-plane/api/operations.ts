import Type from "typebox";
import { AbandonedOperation, AbandonOperation, OpenOperations } from "../../common/contracts/claims.ts";
import { OperationIdSchema } from "../../common/contracts/ids.ts";
import type { Server } from "../../common/http/server.ts";
import { personOf } from "../auth/access.ts";
import { abandonOperation } from "../operations/abandon.ts";
import { openOperations } from "../registry/operations.store.ts";
import { answers } from "./answers.ts";
import type { ApiContext } from "./context.ts";

const byId = Type.Object({ id: OperationIdSchema }, { additionalProperties: false });

/** What is under way, and a way out for what will never end by itself. */
export function operationRoutes(server: Server, context: ApiContext): void {
  server.route({
    method: "GET",
    url: "/v1/operations",
    config: { access: "viewer" },
    schema: {
      summary: "List operations that have not ended, with the cells that they hold",
      response: answers(OpenOperations),
    },
    handler: async () => ({ operations: await openOperations(context.pool) }),
  });

  server.route({
    method: "POST",
    url: "/v1/operations/:id/abandon",
    config: { access: "operator" },
    schema: {
      summary: "End an operation whose workflow is lost; refused where the workflow answers",
      params: byId,
      body: AbandonOperation,
      response: answers(AbandonedOperation),
    },
    handler: async (request) => {
      const cause = { actor: personOf(request).name, reason: request.body.reason };
      return await abandonOperation(context, cause, request.params.id);
    },
  });
}
