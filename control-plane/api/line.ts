import { Line, SetLine } from "../../common/contracts/rollout-records.ts";
import type { Server } from "../../common/http/server.ts";
import { personOf } from "../auth/access.ts";
import { setLine, showLine } from "../registry/line.ts";
import { answers } from "./answers.ts";
import type { ApiContext } from "./context.ts";

/** Stop-the-line: one switch for all rollouts, kept by the registry. */
export function lineRoutes(server: Server, context: ApiContext): void {
  server.route({
    method: "GET",
    url: "/v1/line",
    config: { access: "viewer" },
    schema: { summary: "Show whether the line is stopped, by whom and why", response: answers(Line) },
    handler: async () => await showLine(context.pool),
  });

  server.route({
    method: "PUT",
    url: "/v1/line",
    config: { access: "operator" },
    schema: {
      summary: "Stop every rollout and let none begin, or release them; works without Temporal too",
      body: SetLine,
      response: answers(Line),
    },
    handler: async (request) => {
      const line = await setLine(context, personOf(request).name, request.body);
      context.lineKeeper.signal();
      return line;
    },
  });
}
