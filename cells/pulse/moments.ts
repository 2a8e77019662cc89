import { pulseError } from "./errors.ts";

const earliest = Date.UTC(1970, 0, 1);
const latest = Date.UTC(9999, 11, 31);
const dayMs = 86_400_000;

/**
 * Reads an RFC 3339 date-time.
 * @throws moment-not-real for dates like 30 February, leap seconds and years that the database could not hold.
 */
export function momentOf(text: string): Date {
  const at = Date.parse(text);
  if (Number.isNaN(at) || at < earliest || at > latest)
    throw pulseError("moment-not-real", `${text.slice(0, 40)} is not a moment that can be kept.`);
  return new Date(at);
}

/** @throws event-from-the-future when `at` lies more than a day after `now`. */
export function eventMoment(text: string, now: Date): Date {
  const at = momentOf(text);
  if (at.getTime() > now.getTime() + dayMs)
    throw pulseError("event-from-the-future", `${text.slice(0, 40)} is more than a day ahead of ${now.toISOString()}.`);
  return at;
}

export const buckets = { minute: 60_000, hour: 3_600_000, day: dayMs } as const;
export type Bucket = keyof typeof buckets;

/** The beginning of the hour that contains or follows a moment. */
export function nextWholeHour(at: Date): Date {
  return new Date(Math.ceil(at.getTime() / buckets.hour) * buckets.hour);
}
/** The beginning of the hour that contains a moment. */
export function wholeHour(at: Date): Date {
  return new Date(Math.floor(at.getTime() / buckets.hour) * buckets.hour);
}

const mostBuckets = 10_000;

export interface StatsRange {
  readonly from: Date;
  readonly to: Date;
  readonly bucket: Bucket;
}

/**
 * The range of a stats query; by default the last day by hour. The end is exclusive, and the default one includes this very millisecond.
 * @throws range-reversed, too-many-buckets, moment-not-real
 */
export function statsRange(
  query: { readonly from?: string; readonly to?: string; readonly bucket?: Bucket },
  now: Date,
): StatsRange {
  const to = query.to === undefined ? new Date(now.getTime() + 1) : momentOf(query.to);
  const from = query.from === undefined ? new Date(to.getTime() - dayMs) : momentOf(query.from);
  const bucket = query.bucket ?? "hour";
  if (from >= to) throw pulseError("range-reversed", `${from.toISOString()} is not before ${to.toISOString()}.`);
  const width = buckets[bucket];
  const count = Math.ceil(to.getTime() / width) - Math.floor(from.getTime() / width);
  // The default day touches 25 hours; the limit is meant for what is asked, so that one started bucket more is let through.
  if (count > mostBuckets + 1) throw pulseError("too-many-buckets", `${count} buckets of one ${bucket} each.`);
  return { from, to, bucket };
}
