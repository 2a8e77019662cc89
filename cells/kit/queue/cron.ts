/** When a schedule fires. */
export type Rhythm =
  | { readonly everySeconds: number; readonly cron?: never; readonly timeZone?: never }
  | { readonly cron: string; readonly everySeconds?: never; readonly timeZone?: string };

/** The scheduler looks every 2 s; what is to happen more often is a loop, not a schedule. */
const shortestSeconds = 5;
const longestSeconds = 366 * 86_400;
const fields = 5;
const mostCharacters = 200;

/**
 * The first moment after `after` at which a rhythm fires; missed ones are left out, so that after a silence it fires once.
 * @throws TypeError for a rhythm that is none: a cron expression has five fields (minute, hour, day, month, weekday; names and ranges as usual), in an
 * IANA time zone.
 */
export async function nextFiring(rhythm: Rhythm, after: Date): Promise<Date> {
  if (rhythm.everySeconds !== undefined) {
    if (!(rhythm.everySeconds >= shortestSeconds && rhythm.everySeconds <= longestSeconds))
      throw new TypeError(`a schedule fires every ${shortestSeconds} to ${longestSeconds} seconds`);
    return new Date(after.getTime() + rhythm.everySeconds * 1_000);
  }
  const { cron, timeZone = "UTC" } = rhythm;
  if (cron.length > mostCharacters || (!cron.startsWith("@") && cron.trim().split(/\s+/).length !== fields))
    throw new TypeError(
      `a cron expression has ${fields} fields: minute, hour, day of the month, month, day of the week`,
    );
  if (cron === "@secondly") throw new TypeError(`a schedule fires every ${shortestSeconds} seconds at most`);
  // Loaded by the first who needs it: the calendar behind it is large, and most processes never ask.
  const { CronExpressionParser } = await import("cron-parser");
  try {
    return CronExpressionParser.parse(cron, { currentDate: after, tz: timeZone }).next().toDate();
  } catch (cause) {
    throw new TypeError(`“${cron}” in ${timeZone} is no cron expression that ever fires`, { cause });
  }
}
