/** As much as one read of a cell brings, and what stands before it. */
const blockBytes = 96 * 1024;
/** Blocks kept for the next long write; most writes are over at once. */
const maxIdle = 32;
/** Copied byte by byte up to here; beyond, a call into the runtime costs less. */
const shortBytes = 24;
/** What is longer gets its block to itself until it is out. */
const longBytes = 16 * 1024;

const idle: Buffer[] = [];

/** The two hexadecimal digits of each byte. */
const digits = Buffer.from("0123456789abcdef");
const highDigit = Uint8Array.from({ length: 256 }, (_, byte) => digits[byte >> 4] as number);
const lowDigit = Uint8Array.from({ length: 256 }, (_, byte) => digits[byte & 15] as number);

/** Whatever takes bytes: a socket, or something in its clothes. */
export interface Sink {
  write(bytes: Buffer, done?: () => void): boolean;
  /** Bytes that were written and are not out. */
  readonly writableLength: number;
  readonly writableNeedDrain: boolean;
}

/**
 * What is to be written is put together here, in memory that is used again: what the next write needs overwrites what the last one has sent. Strings put
 * together for each write would be a third of what a request allocates.
 *
 * Node writes at once what the kernel takes; only where a write is not over when it returns does its memory stay as it is, until it is garbage.
 */
export class Gather {
  #block = newBlock();
  /** Before it stands what may still have to be written. */
  #from = 0;
  #at = 0;

  /** Bytes that have gathered. */
  get length(): number {
    return this.#at - this.#from;
  }

  /** Forgets what has gathered. */
  clear(): void {
    this.#at = this.#from;
  }

  /** A run of bytes out of others, which may be overwritten afterwards. */
  run(bytes: Buffer, from: number, to: number): void {
    const length = to - from;
    const at = this.#room(length);
    if (length > shortBytes) {
      bytes.copy(this.#block, at, from, to);
      return;
    }
    const block = this.#block;
    for (let index = 0; index < length; index += 1) block[at + index] = bytes[from + index] as number;
  }

  /** All of some bytes. */
  all(bytes: Buffer): void {
    this.run(bytes, 0, bytes.length);
  }

  /** Eight hexadecimal digits. @param word 32 bits. */
  hex(word: number): void {
    let at = this.#room(8);
    const block = this.#block;
    for (let shift = 24; shift >= 0; shift -= 8) {
      const byte = (word >>> shift) & 0xff;
      block[at] = highDigit[byte] as number;
      block[at + 1] = lowDigit[byte] as number;
      at += 2;
    }
  }

  /** @param text in Latin-1. */
  text(text: string): void {
    const { length } = text;
    const at = this.#room(length);
    if (length > shortBytes) {
      this.#block.write(text, at, "latin1");
      return;
    }
    const block = this.#block;
    for (let index = 0; index < length; index += 1) block[at + index] = text.charCodeAt(index);
  }

  /** What has gathered, valid until the next call. */
  peek(): Buffer {
    return this.#block.subarray(this.#from, this.#at);
  }

  /** Writes what has gathered, if anything. @returns whether the sink takes more now. */
  sendTo(sink: Sink): boolean {
    const bytes = this.peek();
    if (bytes.length > longBytes) this.#handOver(sink, bytes);
    else if (bytes.length > 0) {
      sink.write(bytes);
      // Not all is out: these bytes have to stay as they are.
      if (sink.writableLength > 0) this.#from = this.#at;
      else this.#at = this.#from;
    }
    return !sink.writableNeedDrain;
  }

  /** Much: its pages are worth getting back when it is out, which is heard of. */
  #handOver(sink: Sink, bytes: Buffer): void {
    const block = this.#block;
    // Where something before these bytes may not be out, nobody knows when the block is free.
    const alone = this.#from === 0 && block.length === blockBytes;
    this.#block = newBlock();
    this.#from = 0;
    this.#at = 0;
    if (!alone) sink.write(bytes);
    else
      sink.write(bytes, () => {
        if (idle.length < maxIdle) idle.push(block);
      });
  }

  /** @returns where so many bytes may be put. */
  #room(bytes: number): number {
    if (this.#at + bytes > this.#block.length) this.#move(bytes);
    const at = this.#at;
    this.#at += bytes;
    return at;
  }

  #move(bytes: number): void {
    const gathered = this.peek();
    const needed = gathered.length + bytes;
    this.#block = needed > blockBytes ? Buffer.allocUnsafeSlow(2 * needed) : newBlock();
    gathered.copy(this.#block);
    this.#from = 0;
    this.#at = gathered.length;
  }
}

function newBlock(): Buffer {
  return idle.pop() ?? Buffer.allocUnsafeSlow(blockBytes);
}
