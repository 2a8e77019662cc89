import type { ChangeEvent } from "../../common/contracts/control-plane.ts";
import type { Server } from "../../common/http/server.ts";
import type { ApiContext } from "./context.ts";
import type { EventStream } from "./event-stream.ts";
import type { Notifications } from "../registry/notifications.store.ts";

/** Events are hints to look again: a reader that is this far behind will look at everything anyway. */
const waitingLimit = 1_000;
/** Proxies and browsers drop a silent stream. */
const pingEveryMs = 15_000;

/** What the dashboard shows has changed: it asks again. */
export function eventRoutes(server: Server, { notifications, streams }: ApiContext): void {
  server.route({
    method: "GET",
    url: "/v1/events",
    config: { access: "viewer" },
    schema: {
      summary: "Changes of rollouts, cells, tenants and releases, as Server-Sent Events",
      produces: ["text/event-stream"],
    },
    handler: async (_request, reply) => {
      await streams.serve(reply, (stream) => tell(stream, notifications));
    },
  });
}

async function tell(stream: EventStream, notifications: Notifications): Promise<void> {
  const waiting: ChangeEvent[] = [];
  let woken = new AbortController();
  const unsubscribe = notifications.on("event", (event) => {
    if (event !== undefined && waiting.length < waitingLimit) waiting.push(event);
    woken.abort();
  });
  try {
    while (!stream.closed) {
      woken = new AbortController();
      for (const event of waiting.splice(0)) await stream.send(event.kind, JSON.stringify(event));
      await stream.pause(pingEveryMs, woken.signal);
      if (!woken.signal.aborted) await stream.send("ping", "{}");
    }
  } finally {
    unsubscribe();
  }
}
