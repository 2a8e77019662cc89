import Type from "typebox";
import type { Clock } from "../common/clock.ts";
import { Problem } from "../common/contracts/problem.ts";
import { CellIdSchema, TimestampSchema } from "../common/contracts/ids.ts";
import { Generation } from "../common/contracts/fleet.ts";
import { createServer, type Server } from "../common/http/server.ts";
import type { Logger } from "../common/log.ts";
import type { Pool } from "../common/postgres/pool.ts";
import { callerOf } from "./caller.ts";
import { aggregatorError } from "./errors.ts";
import type { CellAsker } from "./fanout/ask.ts";
import type { Fleet } from "./fleet.ts";
import { ingestRoutes } from "./ingest/routes.ts";
import { shippers } from "./ingest/shipments.store.ts";
import { viewRoutes } from "./views/routes.ts";

export interface AppOptions {
  readonly part: string;
  readonly pool: Pool;
  readonly fleet: Fleet;
  readonly asker: CellAsker;
  readonly clock: Clock;
  readonly retentionDays: number;
  readonly log: Logger;
}

const AggregatorStatus = Type.Object(
  {
    id: Type.String(),
    fleetGeneration: Type.Union([Generation, Type.Null()]),
    /** How each cell that was heard of stands with its shipments. */
    shippers: Type.Array(
      Type.Object(
        {
          cell: CellIdSchema,
          incarnation: Type.String(),
          next: Type.Integer(),
          asOf: Type.Union([TimestampSchema, Type.Null()]),
          gapSince: Type.Union([TimestampSchema, Type.Null()]),
        },
        { additionalProperties: false },
      ),
    ),
    /** Cells that are not asked for now, because they did not answer. */
    leftAlone: Type.Array(CellIdSchema),
  },
  { $id: "AggregatorStatus", additionalProperties: false },
);

/** The aggregator's API: health, shipments in, answers out. No I/O before it listens. */
export function createApp(options: AppOptions): Server {
  const server = createServer({ log: options.log });
  healthRoutes(server, options);
  statusRoute(server, options);
  ingestRoutes(server, options);
  viewRoutes(server, options);
  return server;
}

const Health = Type.Object({ status: Type.String() }, { additionalProperties: false });

function healthRoutes(server: Server, { pool, fleet }: AppOptions): void {
  server.get("/healthz", { schema: { summary: "Alive", response: { 200: Health } } }, async () => ({
    status: "alive",
  }));
  server.get(
    "/readyz",
    { schema: { summary: "Able to answer", response: { 200: Health, default: Problem } } },
    async () => {
      fleet.cells();
      await shippers(pool).catch((cause: unknown) => {
        throw aggregatorError("database-unreachable", "The aggregator's PostgreSQL does not answer.", { cause });
      });
      return { status: "ready" };
    },
  );
}

function statusRoute(server: Server, options: AppOptions): void {
  const schema = {
    summary: "How cells stand with their shipments",
    response: { 200: AggregatorStatus, default: Problem },
  };
  server.get("/v1/status", { schema }, async (request) => {
    await callerOf(request, options, "control-plane", "worker");
    const heard = await shippers(options.pool);
    return {
      id: options.part,
      fleetGeneration: options.fleet.generation(),
      shippers: heard.map((shipper) => ({
        ...shipper,
        asOf: shipper.asOf?.toISOString() ?? null,
        gapSince: shipper.gapSince?.toISOString() ?? null,
      })),
      leftAlone: [...options.asker.leftAlone()],
    };
  });
}
