import Type from "typebox";
import { CreatedOperator, CreateOperator, OperatorList, OperatorNameSchema } from "../../common/contracts/operators.ts";
import type { Server } from "../../common/http/server.ts";
import { personOf } from "../auth/access.ts";
import { addOperator, revokeOperator, showOperators } from "../auth/operators.ts";
import { answers, created } from "./answers.ts";
import type { ApiContext } from "./context.ts";

const byName = Type.Object({ name: OperatorNameSchema }, { additionalProperties: false });

/** The people who operate the fleet, each with a token and a role of his own: whoever asks for a rollout cannot approve it. */
export function operatorRoutes(server: Server, context: ApiContext): void {
  server.route({
    method: "GET",
    url: "/v1/operators",
    config: { access: "admin" },
    schema: { summary: "List operators", response: answers(OperatorList) },
    handler: async () => await showOperators(context.pool),
  });

  server.route({
    method: "POST",
    url: "/v1/operators",
    config: { access: "admin" },
    schema: {
      summary: "Add an operator; the answer has his token, this once",
      body: CreateOperator,
      response: created(CreatedOperator),
    },
    handler: async (request, reply) => {
      reply.code(201);
      return await addOperator(context, personOf(request).name, request.body);
    },
  });

  server.route({
    method: "DELETE",
    url: "/v1/operators/:name",
    config: { access: "admin" },
    schema: {
      summary: "Make an operator's token, sessions and sign-in codes worthless",
      params: byName,
      response: answers(Type.Null()),
    },
    handler: async (request) => {
      await revokeOperator(context, personOf(request).name, request.params.name);
      return null;
    },
  });
}
