import { aggregatorError } from "../errors.ts";

/** A span of whole hours, from inclusive, to exclusive. */
export interface Span {
  readonly from: Date;
  readonly to: Date;
}

const hourMs = 3_600_000;

/**
 * The span of a question, the last day by default, widened to whole hours: rollups are hours, and cells asked live must answer for
 * the same time.
 * @throws bad-span
 */
export function spanOf(from: string | undefined, to: string | undefined, nowMs: number, longestDays: number): Span {
  const end = Math.ceil((to === undefined ? nowMs : Date.parse(to)) / hourMs) * hourMs;
  const begin = from === undefined ? end - 24 * hourMs : Math.floor(Date.parse(from) / hourMs) * hourMs;
  if (!(begin < end)) throw aggregatorError("bad-span", "`from` is not before `to`.");
  if (end - begin > longestDays * 24 * hourMs)
    throw aggregatorError("bad-span", `Rollups are kept for ${longestDays} days.`);
  return { from: new Date(begin), to: new Date(end) };
}
