import Type from "typebox";
import { AggregateAnswer } from "../../common/contracts/cell-admin.ts";
import { TimestampSchema } from "../../common/contracts/ids.ts";
import { Problem } from "../../common/contracts/problem.ts";
import type { Clock } from "../../common/clock.ts";
import { httpError } from "../../common/http/errors.ts";
import type { Server } from "../../common/http/server.ts";
import type { CellId } from "../../common/ids.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import type { CellState } from "../kit/cell-state.ts";
import { isRefusal, isDatabaseAway } from "../kit/database-errors.ts";
import { cellError } from "../kit/errors.ts";
import type { AggregateDefinition, Range } from "../kit/kit.ts";
import { listLeases } from "../kit/lease.store.ts";
import { shipAllAgain } from "../kit/rollups/shipment.store.ts";
import type { TenantDatabase } from "../kit/tenant.store.ts";
import { requireCommand, type CommandOptions } from "./commands.ts";

export interface AggregateOptions {
  readonly cell: CellId;
  readonly aggregates: Readonly<Record<string, AggregateDefinition>>;
  readonly database: TenantDatabase;
  readonly system: Pool;
  readonly state: Pick<CellState, "record">;
  readonly clock: Clock;
}

/** Tenants asked at once; a query of many cells must not take the tenants' own connections. */
const askedAtOnce = 3;

/** Aggregates of this cell's tenants for the aggregator's fan-out, and the replay of what was shipped. */
export function aggregateRoutes(server: Server, options: AggregateOptions, commands: CommandOptions): void {
  server.get(
    "/v1/aggregates/:name",
    {
      schema: {
        summary: "An aggregate of every tenant of this cell, synthetic ones left out",
        params: Type.Object({ name: Type.String() }, { additionalProperties: false }),
        querystring: Type.Object({ from: TimestampSchema, to: TimestampSchema }, { additionalProperties: false }),
        response: { 200: AggregateAnswer, default: Problem },
      },
    },
    async (request) => {
      await requireCommand(request, commands, ["aggregator", "control-plane", "worker"]);
      const { name } = request.params;
      const aggregate = Object.hasOwn(options.aggregates, name) ? options.aggregates[name] : undefined;
      if (aggregate === undefined) throw cellError("unknown-aggregate", `There is no aggregate ${name.slice(0, 80)}.`);
      const range = { from: new Date(request.query.from), to: new Date(request.query.to) };
      if (!(range.from < range.to)) throw httpError("invalid-request", "`from` must lie before `to`.");
      return answer(options, name, aggregate, range);
    },
  );

  server.post(
    "/v1/replay",
    {
      schema: {
        summary: "Ships all rollups again",
        response: { 202: Type.Object({ rows: Type.Integer() }), default: Problem },
      },
    },
    async (request, reply) => {
      await requireCommand(request, commands, ["aggregator", "control-plane", "worker"]);
      return reply.code(202).send({ rows: await shipAllAgain(options.system) });
    },
  );
}

async function answer(
  options: AggregateOptions,
  name: string,
  aggregate: AggregateDefinition,
  range: Range,
): Promise<AggregateAnswer> {
  const asOf = new Date(options.clock.now()).toISOString();
  const owned = (await listLeases(options.system)).filter(
    (lease) => !lease.synthetic && (lease.state === "active" || lease.state === "frozen"),
  );
  const rows: AggregateAnswer["rows"] = [];
  const waiting = [...owned];
  const ask = async (): Promise<void> => {
    for (let lease = waiting.pop(); lease !== undefined; lease = waiting.pop()) {
      const { tenant, epoch, slug, tier } = lease;
      try {
        const value = await options.database.run<unknown>({ tenant, epoch }, "read", (tx) =>
          aggregate.query(tx, range),
        );
        rows.push({ tenant, epoch, slug, tier, value });
      } catch (error) {
        // Given away or suspended since the list was read: its new owner answers for it.
        if (!isRefusal(error) || isDatabaseAway(error)) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: askedAtOnce }, ask));
  return {
    cell: options.cell,
    incarnation: options.state.record?.incarnation ?? "",
    name,
    merge: aggregate.merge,
    asOf,
    rows,
  };
}
