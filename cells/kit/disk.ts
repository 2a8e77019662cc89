import { statfsSync } from "node:fs";
import type { Logger } from "../../common/log.ts";
import { cellError } from "./errors.ts";

const lookMs = 1_000;
/** Writes are taken again only when so many times the floor is free: at the very edge they would come and go. */
const roomToReturn = 1.25;
const retryAfterSeconds = 10;
const mib = 1_048_576;

export interface DiskWatchOptions {
  /** A folder on the disk that the cell's data lies on; null where the platform watches it. */
  readonly directory: string | null;
  readonly floorMb: number;
  /** Free bytes of the disk that a folder lies on. */
  readonly readFree?: (directory: string) => number;
  readonly log: Logger;
}

// The disk of the cell's data.
//   roomy  more than the floor is free                       → tight
//   tight  writes of tenants are refused before they begin   → roomy (a quarter more than the floor is free)
// PostgreSQL ends itself when it cannot write its log, and then not even reads are left. Below the floor the cell keeps reading.

/** Keeps the cell from filling its disk to the brim: below a floor of free space tenants' writes are refused, reads go on. */
export class DiskWatch {
  readonly #options: DiskWatchOptions;
  readonly #readFree: (directory: string) => number;
  #freeBytes = Infinity;
  #tight = false;
  #blind = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: DiskWatchOptions) {
    this.#options = options;
    this.#readFree = options.readFree ?? freeOf;
    this.look();
  }

  start(): void {
    this.#timer = setInterval(() => this.look(), lookMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Whether writes are refused now. */
  get tight(): boolean {
    return this.#tight;
  }

  /** What keeps the cell from being ready; empty when nothing does. */
  problems(): string[] {
    if (!this.#tight) return [];
    const { floorMb } = this.#options;
    return [
      `disk-nearly-full: ${Math.floor(this.#freeBytes / mib)} MiB of the cell's disk are free, below ${floorMb} writes are refused`,
    ];
  }

  /** To be called before a write begins. @throws disk-nearly-full */
  admitWrite(): void {
    if (this.#tight)
      throw cellError("disk-nearly-full", "There is too little room for more data; reading goes on.", {
        extra: { retryAfterSeconds },
      });
  }

  /** Looks at the disk now. Where that fails, what was last seen holds. */
  look(): void {
    const { directory, floorMb, log } = this.#options;
    if (directory === null) return;
    try {
      this.#freeBytes = this.#readFree(directory);
      this.#blind = false;
    } catch (error) {
      if (!this.#blind) log.error({ event: "disk-not-read", directory, err: error });
      this.#blind = true;
      return;
    }
    const limit = floorMb * mib * (this.#tight ? roomToReturn : 1);
    const tight = this.#freeBytes < limit;
    if (tight !== this.#tight)
      log.warn({ event: tight ? "disk-nearly-full" : "disk-roomy", freeBytes: this.#freeBytes, floorMb });
    this.#tight = tight;
  }
}

/** One system call that answers from memory; what is reserved for root is not counted as free. */
function freeOf(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}
