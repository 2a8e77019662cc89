import type { Server } from "../kit/kit.ts";
import { pulseError } from "./errors.ts";
import { storeEvents, type StoredEvent } from "./events.store.ts";
import { rollUp, rollUpDelaySeconds } from "./jobs.ts";
import { eventMoment } from "./moments.ts";
import { Accepted, Events, mostPropertiesBytes, type Event } from "./schemas.ts";
import type { TenantContext } from "../kit/kit.ts";

/** `POST /v1/events`: customers' programs send batches of events. */
export function eventRoutes(server: Server): void {
  server.post(
    "/v1/events",
    {
      schema: {
        summary: "Takes events; an id seen before is not counted again",
        body: Events,
        response: { 202: Accepted },
      },
    },
    async (request, reply) => {
      const now = new Date();
      const events = request.body.events.map((event) => storable(event, now));
      return reply.code(202).send(await acceptEvents(request.tenant, events));
    },
  );
}

/** Stores events and asks for their roll-up, in one transaction. */
export async function acceptEvents(
  tenant: TenantContext,
  events: readonly StoredEvent[],
): Promise<{ accepted: number; duplicates: number }> {
  const accepted = await tenant.db.write(async (tx) => {
    const stored = await storeEvents(tx, events);
    if (stored > 0) await tenant.queue.add(tx, rollUp, {}, { key: "roll-up", delaySeconds: rollUpDelaySeconds });
    return stored;
  });
  return { accepted, duplicates: events.length - accepted };
}

function storable(event: Event, now: Date): StoredEvent {
  const properties = event.properties === undefined ? null : JSON.stringify(event.properties);
  if (properties !== null && Buffer.byteLength(properties) > mostPropertiesBytes) {
    throw pulseError(
      "properties-too-large",
      `The properties of the event ${event.id.slice(0, 80)} take more than ${mostPropertiesBytes} bytes.`,
    );
  }
  const at = eventMoment(event.at, now);
  return {
    id: wellFormed(event.id),
    type: wellFormed(event.type),
    user: wellFormed(event.user),
    at,
    value: event.value ?? null,
    properties: wellFormedJson(properties),
  };
}

/** @throws text-not-well-formed for what PostgreSQL cannot store. */
export function wellFormed(text: string): string {
  if (text.isWellFormed() && !text.includes("\u0000")) return text;
  throw pulseError("text-not-well-formed", "An id, type or user holds U+0000 or a lone surrogate.");
}

/** `JSON.stringify` writes lone surrogates and U+0000 as escapes, which `jsonb` refuses. */
function wellFormedJson(json: string | null): string | null {
  if (json === null || !/(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/i.test(json)) return json;
  throw pulseError("text-not-well-formed", "The properties hold U+0000 or a lone surrogate.");
}
