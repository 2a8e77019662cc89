import { ConfirmLeases, Incarnation } from "../../common/contracts/cell-admin.ts";
import { Problem } from "../../common/contracts/problem.ts";
import type { Server } from "../../common/http/server.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import type { CellState } from "../kit/cell-state.ts";
import { cellError } from "../kit/errors.ts";
import { confirmLeases, readIncarnations } from "../kit/incarnation.store.ts";
import { requireCommand, type CommandOptions } from "./commands.ts";

/** Which life of its database the cell is in, and the registry's word by which it serves in a new one. */
export function incarnationRoutes(server: Server, system: Pool, state: CellState, commands: CommandOptions): void {
  const answer = async (): Promise<Incarnation> => {
    await state.look();
    const file = state.incarnationOnFile;
    return { ...(await readIncarnations(system, file)), file, confirmed: state.confirmed };
  };

  server.get(
    "/v1/incarnation",
    {
      schema: {
        summary: "Which life the database is in, and how many leases await the registry's word",
        response: { 200: Incarnation, default: Problem },
      },
    },
    async (request) => {
      await requireCommand(request, commands, ["control-plane", "worker"]);
      return answer();
    },
  );

  server.post(
    "/v1/incarnation/confirm",
    {
      schema: {
        summary: "Confirms leases of a former life at new epochs, or drops them",
        body: ConfirmLeases,
        response: { 200: Incarnation, default: Problem },
      },
    },
    async (request) => {
      await requireCommand(request, commands, ["control-plane", "worker"]);
      await state.look();
      const { incarnation } = request.body;
      if (state.incarnationOnFile !== incarnation)
        throw cellError(
          "confirmation-refused",
          `The cell's incarnation file says ${state.incarnationOnFile ?? "nothing"}, not ${incarnation.slice(0, 64)}.`,
        );
      await confirmLeases(system, request.body);
      request.log.info({ event: "leases-confirmed", incarnation, leases: request.body.leases.length });
      return answer();
    },
  );
}
