import Type from "typebox";
import { ClaimCells, ClaimsHeld, DirectCommand, HeldCells } from "../../common/contracts/claims.ts";
import { OperationIdSchema } from "../../common/contracts/ids.ts";
import type { Server } from "../../common/http/server.ts";
import { personOf } from "../auth/access.ts";
import { claimCells, endClaims, tellDirect } from "../registry/commands.ts";
import { hearCommand } from "../registry/commands.store.ts";
import { answers } from "./answers.ts";
import type { ApiContext } from "./context.ts";

const byOperation = Type.Object({ operation: OperationIdSchema }, { additionalProperties: false });
const Nothing = Type.Object({}, { additionalProperties: false });
const Told = Type.Object({ news: Type.Boolean() }, { additionalProperties: false });

/** Cells that a command holds while it works in them itself, and what was done past us while we were dead. */
export function claimRoutes(server: Server, context: ApiContext): void {
  server.route({
    method: "POST",
    url: "/v1/claims",
    config: { access: "operator" },
    schema: {
      summary: "Hold cells for a backup or a restore; refused where another operation holds one, which is named",
      body: ClaimCells,
      response: answers(HeldCells),
    },
    handler: async (request) => claimCells(context, { actor: personOf(request).name }, request.body),
  });

  server.route({
    method: "POST",
    url: "/v1/claims/:operation/heard",
    config: { access: "operator" },
    schema: {
      summary: "Say that the command still works; a command that is not heard of loses its cells",
      params: byOperation,
      body: Nothing,
      response: answers(ClaimsHeld),
    },
    handler: async ({ params }) => ({ held: await hearCommand(context.pool, params.operation) }),
  });

  server.route({
    method: "POST",
    url: "/v1/claims/:operation/end",
    config: { access: "operator" },
    schema: {
      summary: "Give the cells back; a restore in another cell keeps them until it is settled",
      params: byOperation,
      body: Nothing,
      response: answers(ClaimsHeld),
    },
    handler: async (request) => {
      await endClaims(context, { actor: personOf(request).name }, request.params.operation);
      return { held: false };
    },
  });

  server.route({
    method: "POST",
    url: "/v1/audit/direct",
    config: { access: "operator" },
    schema: {
      summary: "Tell the audit what was done with --direct, past the control plane; told again it stands there once",
      body: DirectCommand,
      response: answers(Told),
    },
    handler: async (request) => ({
      news: await tellDirect(context, { actor: personOf(request).name }, request.body),
    }),
  });
}
