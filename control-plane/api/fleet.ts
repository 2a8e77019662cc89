import Type from "typebox";
import { Envelope } from "../../common/contracts/fleet.ts";
import type { Server } from "../../common/http/server.ts";
import { feed } from "../fleet/feed.ts";
import { answers } from "./answers.ts";
import type { ApiContext } from "./context.ts";

const From = Type.Object(
  { term: Type.Integer({ minimum: 1 }), n: Type.Integer({ minimum: 0 }) },
  { additionalProperties: false },
);

/** The fleet document's feed, for parts alone. */
export function fleetRoutes(server: Server, { publisher, streams }: ApiContext): void {
  server.route({
    method: "GET",
    url: "/v1/fleet/snapshot",
    config: { access: "part" },
    schema: { summary: "The signed fleet document (for parts)", response: answers(Envelope) },
    handler: async () => await publisher.snapshot(),
  });

  server.route({
    method: "GET",
    url: "/v1/fleet/stream",
    config: { access: "part" },
    schema: {
      summary: "Signed deltas after a generation, as Server-Sent Events (for parts)",
      querystring: From,
      produces: ["text/event-stream"],
    },
    handler: async ({ query }, reply) => {
      await streams.serve(reply, (stream) => feed(publisher, stream, query));
    },
  });
}
