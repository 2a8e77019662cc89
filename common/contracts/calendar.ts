import Type, { type Static } from "typebox";
import { TimestampSchema, oneOf } from "./ids.ts";

export const weekdays = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
export type Weekday = (typeof weekdays)[number];

/** A time of every week, in a place's own time: `22:00` to `06:00` of `fri` ends on Saturday morning. From and to alike is a whole day. */
export const WeeklyWindow = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 80 }),
    /** IANA name, e.g. `Europe/Berlin`. */
    timeZone: Type.String({ minLength: 1, maxLength: 60 }),
    /** On which days it begins; none named means every day. */
    days: Type.Array(oneOf(weekdays), { maxItems: 7 }),
    from: Type.String({ pattern: "^([01]\\d|2[0-3]):[0-5]\\d$" }),
    to: Type.String({ pattern: "^([01]\\d|2[0-3]):[0-5]\\d$" }),
  },
  { $id: "WeeklyWindow", additionalProperties: false },
);
export type WeeklyWindow = Static<typeof WeeklyWindow>;

/** A time that happens once, e.g. the days before a launch. */
export const DatedWindow = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 80 }),
    since: TimestampSchema,
    until: TimestampSchema,
  },
  { $id: "DatedWindow", additionalProperties: false },
);
export type DatedWindow = Static<typeof DatedWindow>;

export const CalendarWindow = Type.Union([WeeklyWindow, DatedWindow]);
export type CalendarWindow = Static<typeof CalendarWindow>;
export const CalendarWindows = Type.Array(CalendarWindow, { maxItems: 50 });
