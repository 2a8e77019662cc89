import type { FastifyRequest } from "fastify";
import { Problem } from "../../common/contracts/problem.ts";
import { Shipment, ShipmentReceipt, wholeSinceHeader } from "../../common/contracts/rollups.ts";
import type { Server } from "../../common/http/server.ts";
import type { Logger } from "../../common/log.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { type CallerOptions, callerOf } from "../caller.ts";
import { aggregatorError } from "../errors.ts";
import { oldestKept } from "./retention.ts";
import { spansOf } from "../../common/telemetry.ts";
import { takeShipment } from "./shipments.store.ts";
import { UndonePast } from "./undone.ts";

const inSpan = spansOf("aggregator");

export interface IngestOptions extends CallerOptions {
  readonly pool: Pool;
  readonly log: Logger;
  readonly retentionDays: number;
}

// 5,000 rows, of which the largest carry a sketch of some five kilobytes.
const bodyLimitBytes = 32 * 1_048_576;

/** `POST /v1/shipments`: cells push their rollups. */
export function ingestRoutes(server: Server, options: IngestOptions): void {
  const callers = new WeakMap<FastifyRequest, string>();
  const undone = new UndonePast(options);
  server.post(
    "/v1/shipments",
    {
      bodyLimit: bodyLimitBytes,
      // Who is asking is known before the body is read: strangers cannot make us read megabytes.
      onRequest: async (request) => {
        callers.set(request, await callerOf(request, options, "cell"));
      },
      schema: {
        summary: "Takes a numbered shipment of a cell's rollups; the receipt names the number expected next",
        body: Shipment,
        response: { 200: ShipmentReceipt, default: Problem },
      },
    },
    async (request) => {
      const shipment = request.body;
      const caller = callers.get(request);
      if (caller !== shipment.cell)
        throw aggregatorError("not-your-shipment", `${caller} sent a shipment of ${shipment.cell}.`);
      const oldest = oldestKept(options.clock.now(), options.retentionDays);
      const taken = await inSpan("take-shipment", { cell: shipment.cell }, () =>
        takeShipment(options.pool, shipment, oldest),
      );
      if (taken.kind === "gap") {
        request.log.warn({ event: "shipment-gap", cell: shipment.cell, number: shipment.number, next: taken.next });
      }
      if (taken.kind === "taken") await undone.forget(shipment.cell, wholeSince(request));
      return { next: taken.next };
    },
  );
}

/** Null where the cell does not say that it has sent everything, as kits of before do not. */
function wholeSince(request: FastifyRequest): Date | null {
  const since = Date.parse(String(request.headers[wholeSinceHeader]));
  return Number.isNaN(since) ? null : new Date(since);
}
