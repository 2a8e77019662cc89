// A breaker of one cell.
//   closed   calls pass                                    → open (so many failures in a row)
//   open     no call passes                                → trial (its time is over)
//   trial    one call passes, the others do not            → closed (it succeeded), open (it failed)

/** Failures in a row after which a cell is left alone: with 1.5 s each, nobody waits five seconds to learn what is known. */
const failuresToOpen = 3;
/** How long it is left alone, in milliseconds. */
const openMs = 5_000;

/** Keeps questions from waiting, one after the other, for a cell that does not answer. Times are of a monotonic clock. */
export class Breaker {
  #failures = 0;
  #openUntilMs = 0;
  #trying = false;

  get isClosed(): boolean {
    return this.#failures < failuresToOpen;
  }

  /** Whether a call may pass now; one that may must be followed by `report`. */
  admit(nowMs: number): boolean {
    if (this.isClosed) return true;
    if (this.#trying || nowMs < this.#openUntilMs) return false;
    this.#trying = true;
    return true;
  }

  report(succeeded: boolean, nowMs: number): void {
    this.#trying = false;
    this.#failures = succeeded ? 0 : this.#failures + 1;
    if (!this.isClosed) this.#openUntilMs = nowMs + openMs;
  }
}
