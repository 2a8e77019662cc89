import Type from "typebox";
import { CellMaintenance } from "../../common/contracts/rollout-records.ts";
import { CellIdSchema } from "../../common/contracts/ids.ts";
import type { Server } from "../../common/http/server.ts";
import { personOf } from "../auth/access.ts";
import { fail } from "../errors.ts";
import { change } from "../registry/change.ts";
import { maintenanceWindows, setMaintenance } from "../registry/maintenance.store.ts";
import { unknownTimeZone } from "../rollout/calendar.ts";
import { answers } from "./answers.ts";
import type { ApiContext } from "./context.ts";

const byId = Type.Object({ cell: CellIdSchema }, { additionalProperties: false });

/** When rollouts may change a cell. */
export function cellMaintenanceRoutes(server: Server, context: ApiContext): void {
  const { pool } = context;

  server.route({
    method: "GET",
    url: "/v1/cells/:cell/maintenance",
    config: { access: "viewer" },
    schema: { summary: "Show a cell's maintenance windows", params: byId, response: answers(CellMaintenance) },
    handler: async ({ params }) => ({ windows: [...((await maintenanceWindows(pool)).get(params.cell) ?? [])] }),
  });

  server.route({
    method: "PUT",
    url: "/v1/cells/:cell/maintenance",
    config: { access: "operator" },
    schema: {
      summary: "Let rollouts change a cell within these windows only; plans made before keep theirs",
      params: byId,
      body: CellMaintenance,
      response: answers(CellMaintenance),
    },
    handler: async (request) => {
      const { windows, reason } = request.body;
      const { cell } = request.params;
      const zone = unknownTimeZone(windows);
      if (zone !== null) throw fail("unknown-time-zone", `There is no time zone ${zone}.`);
      await change(context, { actor: personOf(request).name, reason }, async (step) => {
        if (!(await setMaintenance(step.tx, cell, windows))) throw fail("unknown-cell", `There is no cell ${cell}.`);
        step.audit("cell.maintenance", cell);
        step.announce("cell", cell);
      });
      return { windows };
    },
  });
}
