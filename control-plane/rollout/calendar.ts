import { type CalendarWindow, weekdays, type WeeklyWindow } from "../../common/contracts/calendar.ts";

const minuteMs = 60_000;
const dayMs = 86_400_000;

/** A window that can be met is met within two weeks; further ahead nobody waits. One day more is known, so that the last day's end is no opening. */
const searchedDays = 14;
const knownDays = searchedDays + 2;

/** Times, in milliseconds since 1970: from `opens`, to just before `closes`. */
export interface Interval {
  readonly opens: number;
  readonly closes: number;
}

/** Whether a window holds at `now`. */
export function isWithin(window: CalendarWindow, now: number): boolean {
  return occurrences(window, now).some(({ opens, closes }) => opens <= now && now < closes);
}

/**
 * When something may be begun that must keep out of `freezes`, and, if there are any, within one of `maintenance`.
 * @returns the earliest such moment, `now` itself if it is one; null when there is none in two weeks.
 */
export function opensAt(
  now: number,
  freezes: readonly CalendarWindow[],
  maintenance: readonly CalendarWindow[],
): number | null {
  const closed = freezes.flatMap((window) => occurrences(window, now));
  const open = maintenance.flatMap((window) => occurrences(window, now));
  const isOpen = (at: number): boolean => open.length === 0 || open.some((one) => one.opens <= at && at < one.closes);
  const isClosed = (at: number): boolean => closed.some((one) => one.opens <= at && at < one.closes);
  if (maintenance.length > 0 && open.length === 0) return null;
  // It opens now, where a freeze ends, or where a maintenance window begins.
  const candidates = [now, ...closed.map(({ closes }) => closes), ...open.map(({ opens }) => opens)];
  const latest = now + searchedDays * dayMs;
  return (
    candidates.filter((at) => at >= now && at < latest && isOpen(at) && !isClosed(at)).toSorted((a, b) => a - b)[0] ??
    null
  );
}

/** A time zone that this machine's calendar does not know; null where all are known. */
export function unknownTimeZone(windows: readonly CalendarWindow[]): string | null {
  const zones = windows.flatMap((window) => ("timeZone" in window ? window.timeZone : []));
  return zones.find((zone) => !isTimeZone(zone)) ?? null;
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}

/** A window's intervals from the day before `now` on. */
function occurrences(window: CalendarWindow, now: number): readonly Interval[] {
  if ("since" in window) return [{ opens: Date.parse(window.since), closes: Date.parse(window.until) }];
  const clock = clockOf(window.timeZone);
  // The calendar day at the place, as midnight UTC of the same date.
  const today = Math.floor(clock(now) / dayMs) * dayMs;
  const days = Array.from({ length: knownDays }, (_, n) => today + (n - 1) * dayMs);
  return days.filter((day) => beginsOn(window, day)).map((day) => intervalOf(window, day, clock));
}

function beginsOn({ days }: WeeklyWindow, day: number): boolean {
  // 1970-01-01 was a Thursday.
  const weekday = weekdays[(Math.floor(day / dayMs) + 3) % 7];
  return days.length === 0 || (weekday !== undefined && days.includes(weekday));
}

function intervalOf({ from, to }: WeeklyWindow, day: number, clock: Clock): Interval {
  const [begin, end] = [minutesOf(from), minutesOf(to)];
  const lastDay = end <= begin ? day + dayMs : day;
  return {
    opens: instantOf(day + begin * minuteMs, clock),
    closes: instantOf(lastDay + end * minuteMs, clock),
  };
}

function minutesOf(time: string): number {
  return Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
}

/** What the clock on the wall shows at an instant, as if it were UTC. */
type Clock = (instant: number) => number;

function clockOf(timeZone: string): Clock {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
  return (instant) => {
    const parts = new Map(format.formatToParts(instant).map(({ type, value }) => [type, Number(value)]));
    const part = (name: Intl.DateTimeFormatPartTypes): number => parts.get(name) ?? 0;
    return Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"), part("second"));
  };
}

/**
 * The instant at which the clock on the wall shows `wall`. Twice, because the first guess may lie on the other side of a change of the clock; a time that a
 * change leaves out is taken as much later.
 */
function instantOf(wall: number, clock: Clock): number {
  const guess = wall - (clock(wall) - wall);
  return wall - (clock(guess) - guess);
}
