import Type from "typebox";
import { AggregateName, QueryAnswer } from "../../common/contracts/rollups.ts";
import { problemContentType } from "../../common/contracts/problem.ts";
import { NoAnswer } from "../../common/http/exchange.ts";
import type { Server } from "../../common/http/server.ts";
import { fail } from "../errors.ts";
import { listParts } from "../registry/parts.store.ts";
import { answers } from "./answers.ts";
import type { ApiContext } from "./context.ts";

/** The aggregator's own deadline is 2 s. */
const timeoutMs = 5_000;
const byName = Type.Object({ name: AggregateName }, { additionalProperties: false });

/** Cross-cell queries, passed on to the aggregator; its answer with its coverage comes back as it is. */
export function queryRoutes(server: Server, { pool, parts }: ApiContext): void {
  server.route({
    method: "GET",
    url: "/v1/query/:name",
    config: { access: "viewer" },
    schema: { summary: "Ask over all cells", params: byName, response: answers(QueryAnswer) },
    handler: async (request, reply) => {
      const aggregator = (await listParts(pool)).find(({ role, url }) => role === "aggregator" && url !== null);
      if (aggregator === undefined) throw fail("aggregator-unreachable", "No aggregator is registered.");
      const search = new URL(request.url, "http://localhost").search;
      const url = `${aggregator.url}/v1/query/${request.params.name}${search}`;
      try {
        const { status, body } = await parts.call({ url, audience: aggregator.id, timeoutMs });
        if (body === undefined)
          throw fail("aggregator-unreachable", `The aggregator answered ${status} without a document.`);
        if (status >= 400) reply.type(problemContentType);
        return await reply.code(status).send(body as QueryAnswer);
      } catch (cause) {
        if (!(cause instanceof NoAnswer)) throw cause;
        throw fail("aggregator-unreachable", "The aggregator gave no answer in time.", { cause });
      }
    },
  });
}
