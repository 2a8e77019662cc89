import type { Server } from "../kit/kit.ts";
import { pulseError } from "./errors.ts";
import { listEvents, readEvent } from "./event-list.store.ts";
import { wellFormed } from "./event-routes.ts";
import { momentOf } from "./moments.ts";
import { EventAddress, EventPage, EventsQuery, KnownEvent, eventPages } from "./schemas.ts";

/** `GET /v1/events`, page by page, and `GET /v1/events/:id`: what came, as it came. */
export function eventListRoutes(server: Server): void {
  server.get(
    "/v1/events",
    {
      schema: {
        summary: "Events page by page, newest first unless asked otherwise",
        querystring: EventsQuery,
        response: { 200: EventPage },
      },
    },
    async (request) => {
      const { from, to, order = "newest" } = request.query;
      const range = { from: from === undefined ? null : momentOf(from), to: to === undefined ? null : momentOf(to) };
      if (range.from !== null && range.to !== null && range.from >= range.to)
        throw pulseError("range-reversed", `${range.from.toISOString()} is not before ${range.to.toISOString()}.`);
      const pages = eventPages.of(request.query, { from: from ?? null, to: to ?? null, order });
      // A cursor's schema knows the form of a moment, not whether there is such a day.
      const after = pages.after === null ? null : { at: momentOf(pages.after[0]), id: wellFormed(pages.after[1]) };
      const rows = await request.tenant.db.read((tx) => listEvents(tx, { ...range, order, after }, pages.read));
      const { items, nextCursor } = pages.page(rows, (event) => [event.at, event.id]);
      return { events: items, nextCursor };
    },
  );

  server.get(
    "/v1/events/:id",
    { schema: { summary: "One event", params: EventAddress, response: { 200: KnownEvent } } },
    async (request) => {
      const id = wellFormed(request.params.id);
      const event = await request.tenant.db.read((tx) => readEvent(tx, id));
      // Whether another tenant has an event of that id is nobody's business: no row is no row.
      if (event === undefined) throw pulseError("no-such-event", "No event of this tenant bears that id.");
      return event;
    },
  );
}
