const firstCapacity = 64;
/** Above this part of its places taken, the index doubles: linear probing stays short (Knuth, TAOCP 3, section 6.4). */
const fullAt = 0.75;

/**
 * An open hash index with linear probing: hash → slot of a record. It holds slots only, four bytes a place; whether a record is the one
 * that is looked for is for the caller to compare, so that nothing is ever found by its hash alone.
 */
export class SlotIndex {
  /** Slot + 1; 0 where nothing is. */
  #places: Uint32Array;
  #mask: number;
  #taken = 0;
  readonly #hashOf: (slot: number) => number;

  /** @param hashOf the hash of a record that is in the index. */
  constructor(hashOf: (slot: number) => number, expected = 0) {
    let capacity = firstCapacity;
    while (capacity * fullAt < expected) capacity *= 2;
    this.#places = new Uint32Array(capacity);
    this.#mask = capacity - 1;
    this.#hashOf = hashOf;
  }

  get bytes(): number {
    return this.#places.byteLength;
  }

  /** Where the probing for a hash begins. */
  first(hash: number): number {
    return hash & this.#mask;
  }
  next(place: number): number {
    return (place + 1) & this.#mask;
  }
  /** The slot at a place, -1 where the probing ends. */
  at(place: number): number {
    return (this.#places[place] as number) - 1;
  }

  /** Adds a slot whose record is not in the index yet. */
  add(hash: number, slot: number): void {
    if (this.#taken + 1 > this.#places.length * fullAt) this.#grow();
    this.#put(hash, slot);
    this.#taken += 1;
  }

  /** Puts another slot in a place that is taken. Its record must have the same hash. */
  replace(place: number, slot: number): void {
    this.#places[place] = slot + 1;
  }

  /** Takes a slot out, and moves up what was put behind it for its sake (deletion without tombstones, Knuth, 6.4, algorithm R). */
  remove(hash: number, slot: number): void {
    let hole = this.first(hash);
    while (this.at(hole) !== slot) {
      if (this.at(hole) < 0) return;
      hole = this.next(hole);
    }
    this.#taken -= 1;
    for (let place = this.next(hole); this.at(place) >= 0; place = this.next(place)) {
      const home = this.first(this.#hashOf(this.at(place)));
      // It may move only where its own probing passes the hole.
      const passes = hole <= place ? home <= hole || home > place : home <= hole && home > place;
      if (!passes) continue;
      this.#places[hole] = this.#places[place] as number;
      hole = place;
    }
    this.#places[hole] = 0;
  }

  #put(hash: number, slot: number): void {
    let place = this.first(hash);
    while (this.at(place) >= 0) place = this.next(place);
    this.#places[place] = slot + 1;
  }

  #grow(): void {
    const old = this.#places;
    this.#places = new Uint32Array(old.length * 2);
    this.#mask = this.#places.length - 1;
    for (const place of old) if (place > 0) this.#put(this.#hashOf(place - 1), place - 1);
  }
}
