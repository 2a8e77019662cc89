/** A number of [0, 1). */
export type Random = () => number;

/** Numbers that are the same in every run: mulberry32 (T. Ettinger, public domain). */
export function generator(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Hits of `trials` with probability `p`, by the gaps between hits, which are geometric: as quick as there are hits. */
export function binomial(random: Random, trials: number, p: number): number {
  if (p <= 0) return 0;
  const logMiss = Math.log1p(-p);
  let hits = 0;
  for (let at = gap(random, logMiss); at <= trials; at += gap(random, logMiss)) hits += 1;
  return hits;
}

function gap(random: Random, logMiss: number): number {
  return Math.floor(Math.log1p(-random()) / logMiss) + 1;
}
