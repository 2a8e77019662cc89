import { defaultRelativeError, type Transaction } from "../kit/kit.ts";

/** Logarithm of the width of a DDSketch bin, as in the sketch that reads them. */
export const logGamma = Math.log((1 + defaultRelativeError) / (1 - defaultRelativeError));

/** Values too small to tell from zero; the sketch's own limit. */
const smallest = 1e-9;

/** SQL that gives a value's bin: `sign` and `bin` of the column `value`. */
export const binOf = `CASE WHEN abs(value) < ${smallest} THEN 0 WHEN value > 0 THEN 1 ELSE -1 END AS sign,
  CASE WHEN abs(value) < ${smallest} THEN 0 ELSE ceil(ln(abs(value)) / ${logGamma})::integer END AS bin`;

/** What a roll-up added to one hour. */
export interface HourGain {
  readonly hour: Date;
  readonly events: number;
  /** Users who were not known in that hour before. */
  readonly newUsers: readonly string[];
}

/** Lets one roll-up of a tenant run at a time; held to the end of the transaction. */
export async function lockRollUp(tx: Transaction): Promise<void> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('pulse.roll-up:' || $1, 0))`, [tx.tenant]);
}

/** Moves up to `batch` events from the tail into the hours. @returns what each hour gained; empty when the tail is. */
export async function rollTail(tx: Transaction, batch: number): Promise<HourGain[]> {
  const result = await tx.query<HourGain>(
    `WITH moved AS (
       DELETE FROM tail WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM tail ORDER BY id LIMIT $1)
       RETURNING date_trunc('hour', at, 'UTC') AS hour, type, user_id, value
     ), types AS (
       INSERT INTO hour_types (hour, type, events) SELECT hour, type, count(*) FROM moved GROUP BY hour, type
       ON CONFLICT (tenant_id, hour, type) DO UPDATE SET events = hour_types.events + excluded.events, touched_at = now()
     ), users AS (
       INSERT INTO hour_users (hour, user_id) SELECT DISTINCT hour, user_id FROM moved
       ON CONFLICT DO NOTHING RETURNING hour, user_id
     ), binned AS (
       SELECT hour, value, ${binOf} FROM moved WHERE value IS NOT NULL
     ), bins AS (
       INSERT INTO hour_values (hour, sign, bin, events, low, high)
       SELECT hour, sign, bin, count(*), min(value), max(value) FROM binned GROUP BY hour, sign, bin
       ON CONFLICT (tenant_id, hour, sign, bin) DO UPDATE SET events = hour_values.events + excluded.events,
         low = least(hour_values.low, excluded.low), high = greatest(hour_values.high, excluded.high)
     ), gained AS (
       SELECT hour, array_agg(user_id) AS users FROM users GROUP BY hour
     )
     SELECT moved.hour, count(*) AS events, coalesce(min(gained.users), '{}') AS "newUsers"
     FROM moved LEFT JOIN gained ON gained.hour = moved.hour GROUP BY moved.hour`,
    [batch],
  );
  return result.rows;
}

/** Removes up to `batch` whole hours before `before` to which nothing was added since. @returns how many hours. */
export async function removeHours(tx: Transaction, before: Date, batch: number): Promise<number> {
  const result = await tx.query<{ hours: number }>(
    `WITH old AS MATERIALIZED (
       SELECT hour FROM hour_types WHERE hour < $1::timestamptz - interval '1 hour' GROUP BY hour HAVING max(touched_at) < $1 ORDER BY hour LIMIT $2
     ), users AS (DELETE FROM hour_users WHERE hour IN (SELECT hour FROM old)),
     bins AS (DELETE FROM hour_values WHERE hour IN (SELECT hour FROM old)),
     types AS (DELETE FROM hour_types WHERE hour IN (SELECT hour FROM old))
     SELECT count(*) AS hours FROM old`,
    [before, batch],
  );
  return result.rows[0]?.hours ?? 0;
}
