import Type from "typebox";
import { Cell, CellList, PatchCell, RegisterCell } from "../../common/contracts/control-plane.ts";
import { CellIdSchema } from "../../common/contracts/ids.ts";
import type { CellId } from "../../common/ids.ts";
import type { Server } from "../../common/http/server.ts";
import { personOf } from "../auth/access.ts";
import { fail } from "../errors.ts";
import { shownCell } from "../fleet/cell-health.ts";
import { checkCellAddresses } from "../registry/cell-addresses.ts";
import { cordonCell, registerCell } from "../registry/cells.ts";
import { findCell, listCells } from "../registry/cells.store.ts";
import { answers } from "./answers.ts";
import type { ApiContext } from "./context.ts";

const byId = Type.Object({ cell: CellIdSchema }, { additionalProperties: false });

/** Cells: what is registered, and how each was last heard to be. */
export function cellRoutes(server: Server, context: ApiContext): void {
  const { pool, monitor } = context;

  async function show(id: CellId): Promise<Cell> {
    const cell = await findCell(pool, id);
    if (cell === null) throw fail("unknown-cell", `There is no cell ${id}.`);
    return shownCell(cell, monitor.cell(id));
  }

  server.route({
    method: "GET",
    url: "/v1/cells",
    config: { access: "viewer" },
    schema: { summary: "List cells with their health", response: answers(CellList) },
    handler: async () => ({ cells: (await listCells(pool)).map((cell) => shownCell(cell, monitor.cell(cell.id))) }),
  });

  server.route({
    method: "POST",
    url: "/v1/cells",
    config: { access: "admin" },
    schema: {
      summary: "Register a cell with its key and its synthetic tenant; again changes addresses and key",
      body: RegisterCell,
      response: answers(Cell),
    },
    handler: async (request) => {
      await checkCellAddresses(request.body, context.cellAddresses);
      await registerCell(context, { actor: personOf(request).name }, request.body);
      context.monitor.loop.signal();
      context.leases.loop.signal();
      return await show(request.body.id);
    },
  });

  server.route({
    method: "GET",
    url: "/v1/cells/:cell",
    config: { access: "viewer" },
    schema: { summary: "Show a cell", params: byId, response: answers(Cell) },
    handler: async ({ params }) => await show(params.cell),
  });

  server.route({
    method: "PATCH",
    url: "/v1/cells/:cell",
    config: { access: "operator" },
    schema: {
      summary: "Cordon a cell (no new tenants), or lift it",
      params: byId,
      body: PatchCell,
      response: answers(Cell),
    },
    handler: async (request) => {
      const { cordoned, reason } = request.body;
      await cordonCell(context, { actor: personOf(request).name, reason }, request.params.cell, cordoned);
      return await show(request.params.cell);
    },
  });
}
