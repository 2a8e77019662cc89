const hexDigits = "0123456789abcdef";
const byteTexts = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
/** By letter: the value of a lower-case hex digit, else 16. */
const digitValues = Uint8Array.from({ length: 128 }, (_, code) => {
  const value = hexDigits.indexOf(String.fromCharCode(code));
  return value < 0 ? 16 : value;
});

/**
 * Reads eight lower-case hex digits as a word of 32 bits.
 * @returns -1 where they are none. Words of which the highest bit is set come as numbers above 2^31, not below zero.
 */
export function hexWord(text: string, from: number): number {
  let word = 0;
  for (let at = from; at < from + 8; at += 1) {
    const code = text.charCodeAt(at);
    const value = code < 128 ? (digitValues[code] as number) : 16;
    if (value > 15) return -1;
    word = ((word << 4) | value) >>> 0;
  }
  return word;
}

function hexText(word: number): string {
  return `${byteTexts[word >>> 24]}${byteTexts[(word >>> 16) & 255]}${byteTexts[(word >>> 8) & 255]}${byteTexts[word & 255]}`;
}

/** Four words. */
export type Quad = Uint32Array;

/**
 * Reads a UUID (lower case, with hyphens) into four words, without allocating.
 * @returns whether it was one.
 */
export function readUuid(text: string, into: Quad): boolean {
  if (text.length !== 36) return false;
  for (const at of hyphens) if (text.charCodeAt(at) !== 0x2d) return false;
  const first = hexWord(text, 0);
  const last = hexWord(text, 28);
  const second = halves(text, 9, 14);
  const third = halves(text, 19, 24);
  if (first < 0 || second < 0 || third < 0 || last < 0) return false;
  into[0] = first;
  into[1] = second;
  into[2] = third;
  into[3] = last;
  return true;
}

const hyphens = [8, 13, 18, 23];

/** Two groups of four digits. */
function halves(text: string, a: number, b: number): number {
  let word = 0;
  for (let index = 0; index < 8; index += 1) {
    const code = text.charCodeAt(index < 4 ? a + index : b + index - 4);
    const value = code < 128 ? (digitValues[code] as number) : 16;
    if (value > 15) return -1;
    word = ((word << 4) | value) >>> 0;
  }
  return word;
}

/** The UUID in four words. */
export function uuidText(a: number, b: number, c: number, d: number): string {
  const [second, third] = [hexText(b), hexText(c)];
  return `${hexText(a)}-${second.slice(0, 4)}-${second.slice(4)}-${third.slice(0, 4)}-${third.slice(4)}${hexText(d)}`;
}

/**
 * Reads the first 128 bits of a SHA-256 in lower-case hex, without allocating.
 * @returns whether the text has the shape of a digest, as far as it is read.
 */
export function readDigestPrefix(text: string, into: Quad): boolean {
  if (text.length !== 64) return false;
  for (let index = 0; index < 4; index += 1) {
    const word = hexWord(text, index * 8);
    if (word < 0) return false;
    into[index] = word;
  }
  return true;
}

/** Mixes four words into one: multiplications by odd constants with shifts between (the finisher of MurmurHash3, Appleby 2011). */
export function hashQuad(a: number, b: number, c: number, d: number, seed: number): number {
  let hash = seed ^ a;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b) ^ b;
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35) ^ c;
  hash = Math.imul(hash ^ (hash >>> 16), 0x27d4eb2f) ^ d;
  return finish(hash);
}

export function finish(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
