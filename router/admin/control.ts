import Type from "typebox";
import { oneOf } from "../../common/contracts/ids.ts";
import { Problem } from "../../common/contracts/problem.ts";
import type { Server } from "../../common/http/server.ts";
import type { AdminOptions } from "./options.ts";

const logLevels = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;

const Drain = Type.Object({ draining: Type.Boolean() }, { $id: "Drain", additionalProperties: false });
const LogLevel = Type.Object({ level: oneOf(logLevels) }, { $id: "LogLevel", additionalProperties: false });

/** What changes how this process works, and nothing that it serves; it lasts as long as the process. */
export function controlRoutes(server: Server, { control, log }: AdminOptions): void {
  server.put(
    "/v1/drain",
    {
      schema: {
        summary: "Not ready for the balancer, and every answer ends its connection; requests are served as before",
        body: Drain,
        response: { 200: Drain, 400: Problem },
      },
    },
    async ({ body }) => {
      control.drain(body.draining);
      log.info({ event: "drain-set", draining: body.draining });
      return { draining: control.draining() };
    },
  );
  server.put(
    "/v1/log-level",
    { schema: { summary: "How much is logged", body: LogLevel, response: { 200: LogLevel, 400: Problem } } },
    async ({ body }) => {
      log.level = body.level;
      log.info({ event: "log-level-set", level: body.level });
      return { level: body.level };
    },
  );
}
