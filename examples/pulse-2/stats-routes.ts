import { Type, type Server } from "../../cells/kit/kit.ts";
import { statsRange } from "../../cells/pulse/moments.ts";
import { StatsQuery, statsMembers } from "../../cells/pulse/schemas.ts";
import { statsTag } from "../../cells/pulse/stats-routes.ts";
import { statsOf } from "../../cells/pulse/stats.store.ts";
import { firstEventAt } from "./first-event.store.ts";

const Stats = Type.Object(
  { ...statsMembers, firstEventAt: Type.Union([Type.String(), Type.Null()]) },
  { $id: "Stats" },
);

/** `GET /v1/stats` of release 2: as before, and since when there are events. */
export function statsRoutes(server: Server): void {
  server.get(
    "/v1/stats",
    {
      schema: {
        summary: "Counts, active users, top types, quantiles, and the first event",
        querystring: StatsQuery,
        response: { 200: Stats },
      },
    },
    async (request, reply) => {
      const now = new Date();
      const range = statsRange(request.query, now);
      const stats = await request.tenant.db.read(async (tx) => {
        const counted = await statsOf(tx, range, now);
        const first = await firstEventAt(tx);
        return { ...counted, firstEventAt: first?.toISOString() ?? null };
      });
      reply.header("etag", statsTag(stats));
      return stats;
    },
  );
}
