import { entityTag, type Server } from "../kit/kit.ts";
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
    async (request, reply) => {
      const now = new Date();
      const range = statsRange(request.query, now);
      const stats = await request.tenant.db.read((tx) => statsOf(tx, range, now));
      reply.header("etag", statsTag(stats));
      return stats;
    },
  );
}

/** Weak, because `asOf` differs in every answer while all that it says may be the same. */
export function statsTag(stats: Stats): string {
  return entityTag({ ...stats, asOf: undefined }, "weak");
}
