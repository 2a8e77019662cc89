import Type from "typebox";
import { AnnounceRestore, CellLives, RestoreReport } from "../../common/contracts/restores.ts";
import { CellIdSchema } from "../../common/contracts/ids.ts";
import type { Server } from "../../common/http/server.ts";
import { personOf } from "../auth/access.ts";
import { announceRestore, reportRestore } from "../registry/lives.ts";
import { listLives } from "../registry/lives.store.ts";
import { answers } from "./answers.ts";
import type { ApiContext } from "./context.ts";

const byCell = Type.Object({ cell: CellIdSchema }, { additionalProperties: false });
const byLife = Type.Object(
  { cell: CellIdSchema, incarnation: Type.String({ minLength: 1, maxLength: 64 }) },
  { additionalProperties: false },
);

/** Restores of cells: who wanted them and why, what they lost, and what became of each lease. */
export function lifeRoutes(server: Server, context: ApiContext): void {
  server.route({
    method: "GET",
    url: "/v1/cells/:cell/lives",
    config: { access: "viewer" },
    schema: {
      summary:
        "Lives of a cell's database that began by a restore: leases confirmed and dropped, and what was lost, per tenant",
      params: byCell,
      response: answers(CellLives),
    },
    handler: async ({ params }) => ({ lives: await listLives(context.pool, params.cell) }),
  });

  server.route({
    method: "POST",
    url: "/v1/cells/:cell/restores",
    config: { access: "operator" },
    schema: {
      summary:
        "Announce a restore of a cell, which the driver then carries out: it goes into the audit with its reason",
      params: byCell,
      body: AnnounceRestore,
      response: answers(CellLives),
    },
    handler: async (request) => {
      const { cell } = request.params;
      const cause = { actor: personOf(request).name, reason: request.body.reason };
      await announceRestore(context, cause, cell, request.body);
      return { lives: await listLives(context.pool, cell) };
    },
  });

  server.route({
    method: "POST",
    url: "/v1/cells/:cell/lives/:incarnation/report",
    config: { access: "operator" },
    schema: {
      summary: "Report what a restore gave and cost each tenant",
      params: byLife,
      body: RestoreReport,
      response: answers(CellLives),
    },
    handler: async (request) => {
      const { cell, incarnation } = request.params;
      await reportRestore(context, { actor: personOf(request).name }, cell, incarnation, request.body);
      context.monitor.loop.signal();
      return { lives: await listLives(context.pool, cell) };
    },
  });
}
