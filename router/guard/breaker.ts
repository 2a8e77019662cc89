import type { Clock } from "../../common/clock.ts";

// A breaker of one cell.
//   closed     requests pass; failures in a row are counted    → open (too many)
//   open       requests are refused at once                    → half-open (its time is over)
//   half-open  one request passes as a probe                   → closed (it was answered), open for twice as long (it failed)
// While it is held (Probes found nobody there) it is open, and stays so until it is released.
// Only a cell that does not answer at all opens it: an answer of any status shows that the cell is there.
export const breakerStates = ["closed", "open", "half-open"] as const;
export type BreakerState = (typeof breakerStates)[number];

/** Weight of failures in a row that opens it: two connections that time out (2 s of a black hole), or four that are refused. */
const openAt = 4;
/** How long it stays open at first and at most: short, for a cell that is restarted serves again in less than a second. */
const firstOpenMs = 200;
const longestOpenMs = 2_000;

/** What went wrong, weighed: a time-out costs a client a second, a refusal nothing. */
export const failureWeights = { refused: 1, broken: 1, silent: 1, timeout: 2 } as const;
export type FailureKind = keyof typeof failureWeights;

export class Breaker {
  readonly #clock: Clock;
  #state: BreakerState = "closed";
  #failures = 0;
  #openMs = firstOpenMs;
  #openUntil = 0;
  #probing = false;
  #held = false;
  #opened = 0;
  #answeredAt = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How often it has opened. */
  get opened(): number {
    return this.#opened;
  }
  /** When the cell last answered, in monotonic milliseconds; 0 when it never did. */
  get answeredAt(): number {
    return this.#answeredAt;
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** Whether a request would be refused now. */
  get refusing(): boolean {
    if (this.#state === "open") return this.#clock.monotonic() < this.#openUntil;
    return this.#state === "half-open" && this.#probing;
  }

  /** Whether a request may pass now. One that passed must be followed by `answered`, `failed` or `gaveUp`. */
  pass(): boolean {
    switch (this.#state) {
      case "closed":
        return true;
      case "open":
        if (this.#held) return false;
        if (this.#clock.monotonic() < this.#openUntil) return false;
        this.#state = "half-open";
        this.#probing = true;
        return true;
      case "half-open":
        if (this.#probing) return false;
        this.#probing = true;
        return true;
      default:
        return this.#state satisfies never;
    }
  }

  /** @param now in monotonic milliseconds. */
  answered(now = this.#clock.monotonic()): void {
    this.#answeredAt = now;
    if (this.#held) return;
    this.#state = "closed";
    this.#failures = 0;
    this.#openMs = firstOpenMs;
    this.#probing = false;
  }

  failed(kind: FailureKind): void {
    if (this.#state === "half-open") return this.#open(Math.min(longestOpenMs, this.#openMs * 2));
    if (this.#state === "open") return;
    this.#failures += failureWeights[kind];
    if (this.#failures >= openAt) this.#open(firstOpenMs);
  }

  /** Nobody is there: nothing passes until `release`. */
  hold(): void {
    this.#held = true;
    if (this.#state !== "open") this.#open(firstOpenMs);
  }

  /** Somebody is there again: the next request is the probe. */
  release(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#openUntil = this.#clock.monotonic();
  }

  /** The client went away before anything could be learned. */
  gaveUp(): void {
    this.#probing = false;
  }

  #open(ms: number): void {
    this.#opened += 1;
    this.#state = "open";
    this.#openMs = ms;
    this.#openUntil = this.#clock.monotonic() + ms;
    this.#failures = 0;
    this.#probing = false;
  }
}

/** One breaker per cell. */
export class Breakers {
  readonly #clock: Clock;
  readonly #byCell = new Map<string, Breaker>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  of(cell: string): Breaker {
    let breaker = this.#byCell.get(cell);
    if (breaker === undefined) {
      breaker = new Breaker(this.#clock);
      this.#byCell.set(cell, breaker);
    }
    return breaker;
  }

  forget(cell: string): void {
    this.#byCell.delete(cell);
  }
}
