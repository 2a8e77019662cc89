import type { Server } from "../kit/kit.ts";
import { statsRange } from "./moments.ts";
import { Stats, StatsQuery } from "./schemas.ts";
import { statsOf } from "./stats.store.ts";

/** `GET /v1/stats`: what was counted in a range of time; every acknowledged event is in it. */
export function statsRoutes(server: Server): void {
  server.get(
    "/v1/stats",
    {
      schema: {
        summary: "Counts, active users, top types and quantiles of a range",
        querystring: StatsQuery,
        response: { 200: Stats },
      },
    },
    async (request) => {
      const now = new Date();
      const range = statsRange(request.query, now);
      return request.tenant.db.read((tx) => statsOf(tx, range, now));
    },
  );
}
