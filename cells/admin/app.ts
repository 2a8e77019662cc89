import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { TypeBoxValidatorCompiler } from "@fastify/type-provider-typebox";
import { CellStatus, SwitchSlot } from "../../common/contracts/cell-admin.ts";
import { Problem } from "../../common/contracts/problem.ts";
import { Samples } from "../../common/contracts/samples.ts";
import { createServer, sendProblem, toCellplaneError, type Server } from "../../common/http/server.ts";
import type { Logger } from "../../common/log.ts";
import type { Activator } from "../kit/activation.ts";
import { switchSlot } from "../kit/cell.store.ts";
import { databaseProblem } from "../kit/database-errors.ts";
import { cellError } from "../kit/errors.ts";
import type { CellSigner } from "../kit/lease-word.ts";
import type { CellSamples } from "../kit/samples.ts";
import { aggregateRoutes, type AggregateOptions } from "./aggregates.ts";
import { requireCommand, type CommandOptions } from "./commands.ts";
import { healthRoutes } from "./health.ts";
import { incarnationRoutes } from "./incarnation.ts";
import { jobRoutes } from "./jobs.ts";
import { leaseRoutes } from "./leases.ts";
import { metricsRoute } from "./metrics.ts";
import { cellStatus, type StatusOptions } from "./status.ts";

export interface AdminOptions {
  readonly commands: CommandOptions;
  readonly status: StatusOptions;
  readonly aggregates: AggregateOptions;
  readonly samples: CellSamples;
  readonly signer: CellSigner;
  readonly activator: Activator;
  readonly log: Logger;
}

/** The cell's admin API (contracts/cell-admin.ts), on a port of its own. */
export async function createAdminServer(options: AdminOptions): Promise<Server> {
  const server = createWorkerServer(options);
  const { commands, signer, activator } = options;
  const { system, state } = options.status;
  await server.register(async (scope) => leaseRoutes(inherit(scope), { system, state, commands, signer, activator }));
  const { database } = options.aggregates;
  await server.register(async (scope) => jobRoutes(inherit(scope), { system, database }, commands));
  incarnationRoutes(server, system, state, commands);
  slotRoute(server, options);
  server.get(
    "/v1/samples",
    { schema: { summary: "Counters of this process's answers", response: { 200: Samples, default: Problem } } },
    async (request) => {
      await requireCommand(request, options.commands, ["control-plane", "worker"]);
      return options.samples.read();
    },
  );
  aggregateRoutes(server, options.aggregates, options.commands);
  return server;
}

/** The part of it that the queue worker answers: health, status and metrics. */
export function createWorkerServer(options: Pick<AdminOptions, "status" | "commands" | "log">): Server {
  const server = createServer({ log: options.log, answerError });
  healthRoutes(server, options.status, options.commands);
  metricsRoute(server, options.status);
  return server;
}

function answerError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const known = databaseProblem(error) ?? toCellplaneError(error);
  if (known.status >= 500)
    request.log.error({ event: "admin-request-failed", requestId: request.id, code: known.code, err: error });
  sendProblem(reply, known, request.id);
}

function inherit(scope: unknown): Server {
  const server = scope as Server;
  server.setValidatorCompiler(TypeBoxValidatorCompiler);
  return server;
}

function slotRoute(server: Server, { status, commands }: AdminOptions): void {
  server.post(
    "/v1/slot",
    {
      schema: {
        summary: "Switches the live slot, if `from` is live",
        body: SwitchSlot,
        response: { 200: CellStatus, default: Problem },
      },
    },
    async (request) => {
      await requireCommand(request, commands, ["control-plane", "worker"]);
      const { from, to, token } = request.body;
      const switched = await switchSlot(status.system, from, to, token);
      const now = await cellStatus(status);
      if (switched) return now;
      const seen = status.state.record?.claimToken ?? 0;
      if (token !== undefined && token < seen) throw cellError("claim-outranked", `Token ${token} is below ${seen}.`);
      throw cellError("slot-moved", `Slot ${now.liveSlot} is live, not ${from}.`);
    },
  );
}
