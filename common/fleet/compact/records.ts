const slotBits = 10;
const slotsPerSegment = 1 << slotBits;
const slotMask = slotsPerSegment - 1;

/**
 * Records of a fixed number of 32-bit words, by slot, outside of the garbage collector's sight. They lie in segments, so that growing copies
 * nothing and leaves at most one segment half empty.
 */
export class Records {
  readonly #words: number;
  readonly #segments: Uint32Array[] = [];
  #count = 0;

  constructor(words: number) {
    this.#words = words;
  }

  /** Slots given out, 0 to count - 1. */
  get count(): number {
    return this.#count;
  }
  get bytes(): number {
    return this.#segments.length * slotsPerSegment * this.#words * 4;
  }

  /** @returns the slot of a new record, all zero. */
  add(): number {
    if (this.#count === this.#segments.length * slotsPerSegment)
      this.#segments.push(new Uint32Array(slotsPerSegment * this.#words));
    this.#count += 1;
    return this.#count - 1;
  }

  get(slot: number, word: number): number {
    return (this.#segments[slot >>> slotBits] as Uint32Array)[(slot & slotMask) * this.#words + word] as number;
  }
  set(slot: number, word: number, value: number): void {
    (this.#segments[slot >>> slotBits] as Uint32Array)[(slot & slotMask) * this.#words + word] = value;
  }

  /** The records' bytes in order, in the machine's byte order. */
  *chunks(): Generator<Uint8Array> {
    let left = this.#count;
    for (const segment of this.#segments) {
      const slots = Math.min(left, slotsPerSegment);
      yield new Uint8Array(segment.buffer, 0, slots * this.#words * 4);
      left -= slots;
    }
  }

  /** Makes room for so many records, to be filled through `chunks`. */
  reserve(count: number): void {
    while (this.#segments.length * slotsPerSegment < count)
      this.#segments.push(new Uint32Array(slotsPerSegment * this.#words));
    this.#count = count;
  }
}

const heapBits = 14;
const heapBytes = 1 << heapBits;
const heapMask = heapBytes - 1;

/** Short ASCII texts one after another, by the place where each begins. None crosses the border of a segment. */
export class TextHeap {
  readonly #segments: Uint8Array[] = [];
  #end = 0;

  get end(): number {
    return this.#end;
  }
  get bytes(): number {
    return this.#segments.length * heapBytes;
  }

  /** @param text ASCII, shorter than a segment. @returns where it begins. */
  add(text: string): number {
    const left = heapBytes - (this.#end & heapMask);
    if ((this.#end & heapMask) !== 0 && left < text.length) this.#end += left;
    if (this.#end === this.#segments.length * heapBytes) this.#segments.push(new Uint8Array(heapBytes));
    const at = this.#end;
    const segment = this.#segments[at >>> heapBits] as Uint8Array;
    for (let index = 0; index < text.length; index += 1) segment[(at & heapMask) + index] = text.charCodeAt(index);
    this.#end += text.length;
    return at;
  }

  byte(at: number): number {
    return (this.#segments[at >>> heapBits] as Uint8Array)[at & heapMask] as number;
  }

  /** Whether the text that begins there is this part of another. */
  equals(at: number, other: string, from: number, length: number): boolean {
    const segment = this.#segments[at >>> heapBits] as Uint8Array;
    const base = at & heapMask;
    for (let index = 0; index < length; index += 1)
      if (segment[base + index] !== other.charCodeAt(from + index)) return false;
    return true;
  }

  text(at: number, length: number): string {
    const base = at & heapMask;
    return Buffer.from((this.#segments[at >>> heapBits] as Uint8Array).buffer, base, length).toString("latin1");
  }

  /** As those of `Records`. */
  *chunks(): Generator<Uint8Array> {
    let left = this.#end;
    for (const segment of this.#segments) {
      yield segment.subarray(0, Math.min(left, heapBytes));
      left -= heapBytes;
    }
  }

  reserve(end: number): void {
    while (this.#segments.length * heapBytes < end) this.#segments.push(new Uint8Array(heapBytes));
    this.#end = end;
  }
}

/** Values of which there are few kinds, by number: cells, limits. */
export class Interned {
  readonly #values: string[];
  readonly #numbers: Map<string, number>;

  constructor(values: readonly string[] = []) {
    this.#values = [...values];
    this.#numbers = new Map(values.map((value, number) => [value, number]));
  }

  /** @returns the number, or -1 when there are `most` others already. */
  numberOf(value: string, most: number): number {
    const known = this.#numbers.get(value);
    if (known !== undefined) return known;
    if (this.#values.length >= most) return -1;
    this.#values.push(value);
    this.#numbers.set(value, this.#values.length - 1);
    return this.#values.length - 1;
  }

  value(number: number): string {
    return this.#values[number] as string;
  }

  toArray(): readonly string[] {
    return this.#values;
  }
}
