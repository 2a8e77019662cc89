/**
 * Seconds between one try and the next, as Standard Webhooks recommends: an outage of a day is outlived, and then nobody waits for the message any more.
 */
export const pausesSeconds: readonly number[] = [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000, 50_400, 72_000];

/** Receivers that came back are not met by all at once. */
const jitter = 0.2;

/**
 * How long to wait after a try that failed; null after the last.
 * @param tries that were made, from 1.
 * @param random 0 to 1
 */
export function pauseAfter(tries: number, random: number, pauses = pausesSeconds): number | null {
  const seconds = pauses[tries - 1];
  return seconds === undefined ? null : seconds * (1 + jitter * (2 * random - 1));
}
