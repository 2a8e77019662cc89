import { Type, definePages, oneOf, type Static } from "../kit/kit.ts";

const Text = (longest: number) => Type.String({ minLength: 1, maxLength: longest });
const Moment = Type.String({ format: "date-time", maxLength: 40 });

export const Event = Type.Object(
  {
    /** Chosen by the client; the same id again is the same event. */
    id: Text(200),
    type: Text(200),
    user: Text(200),
    at: Moment,
    value: Type.Optional(Type.Number()),
    properties: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  },
  { $id: "Event", additionalProperties: false },
);
export type Event = Static<typeof Event>;

/** More events are sent in several requests, so that a transaction stays short. */
export const mostEvents = 1_000;
export const mostPropertiesBytes = 8_192;

export const Events = Type.Object(
  { events: Type.Array(Event, { minItems: 1, maxItems: mostEvents }) },
  { $id: "Events", additionalProperties: false },
);

export const Accepted = Type.Object(
  { accepted: Type.Integer(), duplicates: Type.Integer() },
  { $id: "Accepted", additionalProperties: false },
);

/** An event as it is given back. */
export const KnownEvent = Type.Object(
  {
    id: Type.String(),
    type: Type.String(),
    user: Type.String(),
    at: Type.String(),
    value: Type.Union([Type.Number(), Type.Null()]),
    properties: Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()]),
    receivedAt: Type.String(),
  },
  { $id: "KnownEvent", additionalProperties: false },
);
export type KnownEvent = Static<typeof KnownEvent>;

export const EventPage = Type.Object(
  { events: Type.Array(KnownEvent), nextCursor: Type.Union([Type.String(), Type.Null()]) },
  { $id: "EventPage", additionalProperties: false },
);

/** By when they happened. */
export const orders = ["newest", "oldest"] as const;
export type Order = (typeof orders)[number];

export const eventPages = definePages({
  list: "events",
  key: Type.Tuple([Moment, Text(200)]),
  usual: 50,
  // Their properties may take 8 KiB each: four MB at the worst.
  most: 500,
});

export const EventsQuery = Type.Object(
  { ...eventPages.query, from: Type.Optional(Moment), to: Type.Optional(Moment), order: Type.Optional(oneOf(orders)) },
  { additionalProperties: false },
);

export const EventAddress = Type.Object({ id: Text(200) }, { additionalProperties: false });

export const StatsQuery = Type.Object(
  {
    from: Type.Optional(Moment),
    to: Type.Optional(Moment),
    bucket: Type.Optional(oneOf(["minute", "hour", "day"] as const)),
  },
  { additionalProperties: false },
);

const Quantile = Type.Union([Type.Number(), Type.Null()]);
export const statsMembers = {
  events: Type.Integer(),
  activeUsers: Type.Integer(),
  topTypes: Type.Array(Type.Object({ type: Type.String(), count: Type.Integer() })),
  /** Of `value`; null where no event had one. */
  quantiles: Type.Object({ p50: Quantile, p95: Quantile, p99: Quantile }),
  /** Empty ones are left out. */
  buckets: Type.Array(Type.Object({ at: Type.String(), events: Type.Integer(), activeUsers: Type.Integer() })),
  asOf: Type.String(),
};
export const Stats = Type.Object(statsMembers, { $id: "Stats" });
export type Stats = Static<typeof Stats>;

export const HookSecret = Type.Object({ secret: Text(256) }, { $id: "HookSecret", additionalProperties: false });

export const HookHeaders = Type.Object({ "x-github-event": Text(100), "x-github-delivery": Text(100) });
