/**
 * Weighted rendezvous hashing: the score of a node for a key; the lowest score wins. When a node comes or goes, only
 * the keys that it wins or held move, and each node wins in proportion to its weight.
 * Algorithm: Thaler, Ravishankar, "A Name-Based Mapping Scheme for Rendezvous", 1996; the weighting by −ln(h)/w is that
 * of Schindelhauer, Schomaker, "Weighted Distributed Hash Tables", 2005.
 * @param weight relative size of the node; a node of weight 0 never wins.
 */
export function rendezvousScore(key: string, node: string, weight: number): number {
  if (weight <= 0) return Infinity;
  return -Math.log(unitInterval(key, node)) / weight;
}

/**
 * A hash of a pair as a number in (0, 1): FNV-1a over both texts, then the finaliser of MurmurHash3 (Appleby), whose
 * avalanche FNV lacks. Not for adversaries: who picks keys can pick a cell.
 */
export function unitInterval(key: string, node: string): number {
  let state = 0x811c9dc5;
  for (let i = 0; i < key.length; i += 1) state = Math.imul(state ^ key.charCodeAt(i), 0x01000193);
  state = Math.imul(state ^ 0xff, 0x01000193);
  for (let i = 0; i < node.length; i += 1) state = Math.imul(state ^ node.charCodeAt(i), 0x01000193);
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  state ^= state >>> 16;
  return ((state >>> 0) + 0.5) / 2 ** 32;
}
