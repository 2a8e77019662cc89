/** As much as one read of a cell brings, and what stands before it. */
const bufferBytes = 80 * 1024;
/** Kept for the next write; each write at once needs one, and most are over at once. */
const maxIdle = 64;

const idle: Buffer[] = [];

/** Memory that a write borrows. */
export interface Lent {
  readonly bytes: Buffer;
  /** The write is over, well or badly. */
  readonly giveBack: () => void;
}

/**
 * Copies what is to be written, text first, into memory that is used again. What was read from a cell lies in a buffer for all, so it has to be copied; and new
 * memory for each copy is the most expensive part of it, for it is the collector's to find out that it can go.
 */
export function lend(text: string, bytes: Buffer, from: number, to: number): Lent {
  const length = text.length + to - from;
  const whole =
    length > bufferBytes ? Buffer.allocUnsafeSlow(length) : (idle.pop() ?? Buffer.allocUnsafeSlow(bufferBytes));
  whole.write(text, "latin1");
  bytes.copy(whole, text.length, from, to);
  return {
    bytes: whole.subarray(0, length),
    giveBack: () => {
      if (whole.length === bufferBytes && idle.length < maxIdle) idle.push(whole);
    },
  };
}
