import type { Samples } from "../../common/contracts/samples.ts";
import type { Queryable } from "../../common/postgres/pool.ts";

/** Stores a router's reading as that of its minute; the first of a minute stays. */
export async function storeReading(db: Queryable, reading: Samples, at: Date): Promise<void> {
  const text = `INSERT INTO router_readings (source, minute, reading) VALUES ($1, date_trunc('minute', $2::timestamptz), $3)
    ON CONFLICT (source, minute) DO NOTHING`;
  await db.query(text, [reading.source, at, JSON.stringify(reading)]);
}

/** The readings of all routers in that time, oldest first. */
export async function readingsBetween(db: Queryable, from: Date, to: Date): Promise<Samples[]> {
  const text = "SELECT reading FROM router_readings WHERE minute >= $1 AND minute <= $2 ORDER BY minute, source";
  return (await db.query<{ reading: Samples }>(text, [from, to])).rows.map(({ reading }) => reading);
}

export async function dropReadings(db: Queryable, before: Date): Promise<void> {
  await db.query("DELETE FROM router_readings WHERE minute < $1", [before]);
}
