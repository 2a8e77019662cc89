import Type from "typebox";
import { Problem } from "../../common/contracts/problem.ts";
import { oneOf } from "../../common/contracts/ids.ts";
import { AggregateName, groupings, QueryAnswer } from "../../common/contracts/rollups.ts";
import type { Server } from "../../common/http/server.ts";
import { type CallerOptions, callerOf } from "../caller.ts";
import { aggregatorError } from "../errors.ts";
import { answerQuery, type QueryOptions } from "./query.ts";
import { spanOf } from "./span.ts";

const Asked = Type.Object(
  {
    by: Type.Optional(oneOf(groupings)),
    from: Type.Optional(Type.String({ format: "date-time" })),
    to: Type.Optional(Type.String({ format: "date-time" })),
    completeness: Type.Optional(oneOf(["all", "best_effort"] as const)),
    source: Type.Optional(oneOf(["live", "rollup"] as const)),
  },
  { additionalProperties: false },
);

/** `GET /v1/query/:name`: questions over all cells, each answer with its coverage. */
export function viewRoutes(
  server: Server,
  options: QueryOptions & CallerOptions & { readonly retentionDays: number },
): void {
  server.get(
    "/v1/query/:name",
    {
      schema: {
        summary:
          "Answers a question over all cells, with its coverage; completeness=all refuses an answer that lacks a cell",
        params: Type.Object({ name: AggregateName }, { additionalProperties: false }),
        querystring: Asked,
        response: { 200: QueryAnswer, default: Problem },
      },
    },
    async (request) => {
      await callerOf(request, options, "control-plane");
      const { by = "tenant", from, to, completeness = "best_effort", source = "live" } = request.query;
      const span = spanOf(from, to, options.clock.now(), options.retentionDays);
      const answer = await answerQuery(options, { aggregate: request.params.name, by, span, source });
      const { complete, stale, failed } = answer.coverage;
      if (completeness === "all" && !complete) {
        const missing = [...stale, ...failed];
        const detail =
          missing.length === 0 ? "There is no cell." : `Not in the answer as it is now: ${missing.join(", ")}.`;
        throw aggregatorError("incomplete", detail, { extra: { coverage: answer.coverage } });
      }
      return answer;
    },
  );
}
