/** No safe integer has more digits. */
const maxDigits = 16;

/** A number written in digits and nothing else, as Content-Length is; NaN for anything else, and beyond 2^53. */
export function decimalOf(text: string): number {
  if (text.length === 0 || text.length > maxDigits) return Number.NaN;
  let number = 0;
  for (let index = 0; index < text.length; index += 1) {
    const digit = text.charCodeAt(index) - 0x30;
    if (digit < 0 || digit > 9) return Number.NaN;
    number = number * 10 + digit;
  }
  return Number.isSafeInteger(number) ? number : Number.NaN;
}
