import Type from "typebox";
import { Problem } from "../common/contracts/problem.ts";
import { createServer, type Server } from "../common/http/server.ts";
import type { Logger } from "../common/log.ts";
import { workflowError } from "./errors.ts";

export interface AppOptions {
  /** Whether the worker works and Temporal answers. */
  readonly isReachable: () => Promise<boolean>;
  /** Whether this fleet has Temporal at all. */
  readonly hasTemporal: boolean;
  readonly log: Logger;
}

const Health = Type.Object({ status: Type.String() }, { additionalProperties: false });

/** The worker's admin API: health alone, because all else reaches it through Temporal. */
export function createApp(options: AppOptions): Server {
  const server = createServer({ log: options.log });
  server.get("/healthz", { schema: { summary: "Alive", response: { 200: Health } } }, async () => ({
    status: "alive",
  }));
  server.get(
    "/readyz",
    { schema: { summary: "Working for Temporal", response: { 200: Health, default: Problem } } },
    async () => {
      if (!options.hasTemporal) throw workflowError("no-temporal", "This fleet was started without Temporal.");
      if (!(await options.isReachable()))
        throw workflowError("temporal-unreachable", "Temporal does not answer; it is tried again by itself.");
      return { status: "ready" };
    },
  );
  return server;
}
