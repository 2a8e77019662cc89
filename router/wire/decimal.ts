/** No safe integer has more digits. */
const maxDigits = 16;

/** A number written in digits and nothing else, as Content-Length is; NaN for anything else, and beyond 2^53. */
export function decimalAt(bytes: Uint8Array, from: number, to: number): number {
  if (to <= from || to - from > maxDigits) return Number.NaN;
  let number = 0;
  for (let at = from; at < to; at += 1) {
    const digit = (bytes[at] as number) - 0x30;
    if (digit < 0 || digit > 9) return Number.NaN;
    number = number * 10 + digit;
  }
  return Number.isSafeInteger(number) ? number : Number.NaN;
}
