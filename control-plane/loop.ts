import type { Logger } from "../common/log.ts";

export interface LoopOptions {
  readonly name: string;
  /** Longest time between two rounds. */
  readonly everyMs: number;
  readonly work: () => Promise<void>;
  readonly log: Logger;
}

// A reconciler's rhythm.
//   idle     nothing to do till the timer          → working (signal or timer)
//   working  one round                             → idle, or working again (signalled meanwhile)
//   stopped  for good
// A round that throws is logged once per kind of trouble; the timer brings the next.
export class Loop {
  readonly #options: LoopOptions;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;
  #again = false;
  #stopped = false;
  #lastTrouble = "";

  constructor(options: LoopOptions) {
    this.#options = options;
  }

  /** Does a round now, and from then on at every signal and at least every `everyMs`. */
  start(): void {
    this.#timer = setInterval(() => this.signal(), this.#options.everyMs);
    this.signal();
  }

  /** Something may have to be done. */
  signal(): void {
    this.#again = true;
    if (this.#stopped || this.#running !== null) return;
    this.#running = this.#rounds().finally(() => {
      this.#running = null;
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#running;
  }

  async #rounds(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      try {
        await this.#options.work();
        this.#lastTrouble = "";
      } catch (error) {
        const trouble = error instanceof Error ? error.message : String(error);
        if (trouble !== this.#lastTrouble)
          this.#options.log.warn({ event: "round-failed", loop: this.#options.name, err: error });
        this.#lastTrouble = trouble;
      }
    }
  }
}
