/** A job is tried this often before it becomes a dead letter, unless its kind says otherwise. */
export const defaultMaxTries = 8;
/** A job whose try ended the process this often is dead: once may be anybody's doing, and from then on it ran alone. */
export const mostCrashes = 3;
const firstPauseMs = 1_000;
const lastPauseMs = 300_000;

/**
 * Pause before the next try: doubling from 1 s to 5 min, with equal jitter so that failures of one cause do not come back together.
 * @param tries how many tries have failed, from 1.
 * @param chance between 0 and 1.
 */
export function pauseBeforeRetryMs(tries: number, chance: number): number {
  const longest = Math.min(lastPauseMs, firstPauseMs * 2 ** Math.min(tries - 1, 20));
  return longest / 2 + (longest / 2) * chance;
}
