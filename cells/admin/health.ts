import Type from "typebox";
import { CellStatus } from "../../common/contracts/cell-admin.ts";
import { Problem } from "../../common/contracts/problem.ts";
import type { Server } from "../../common/http/server.ts";
import { requireCommand, type CommandOptions } from "./commands.ts";
import { cellStatus, readinessProblems, type StatusOptions } from "./status.ts";

const Readiness = Type.Object(
  { ready: Type.Boolean(), problems: Type.Array(Type.String()) },
  { $id: "Readiness", additionalProperties: false },
);

/** `/healthz` (the process lives), `/readyz` (it can serve) and `/v1/status`: of the API and of the worker alike. */
export function healthRoutes(server: Server, status: StatusOptions, commands: CommandOptions): void {
  server.get(
    "/healthz",
    { schema: { summary: "Whether the process lives", response: { 200: Type.Object({ alive: Type.Literal(true) }) } } },
    async () => ({
      alive: true as const,
    }),
  );

  server.get(
    "/readyz",
    { schema: { summary: "Whether the process can serve", response: { 200: Readiness, 503: Readiness } } },
    async (_request, reply) => {
      await status.state.look();
      const problems = readinessProblems(status);
      return reply.code(problems.length === 0 ? 200 : 503).send({ ready: problems.length === 0, problems });
    },
  );

  server.get(
    "/v1/status",
    {
      schema: {
        summary: "Slot, release, schema, load and backlog of this process",
        response: { 200: CellStatus, default: Problem },
      },
    },
    async (request) => {
      await requireCommand(request, commands, ["control-plane", "worker", "aggregator"]);
      return cellStatus(status);
    },
  );
}
