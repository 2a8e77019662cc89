import type { Clock } from "../../common/clock.ts";

/** How often deadlines are looked at: a time-out is at most twice this late, never early, and costs no timer of its own. */
const tickMs = 50;

/** Something that waits for at most one thing at a time. Its fields belong to the list that it stands in. */
export class Timed {
  list: DeadlineList | null = null;
  before: Timed | null = null;
  after: Timed | null = null;
  dueAt = 0;

  /** Waits no longer for anything. */
  disarm(): void {
    this.list?.remove(this);
  }
}

/**
 * All that wait equally long for the same thing, first come first due, as a linked list: arming and disarming, which every request does several
 * times, move pointers and no more.
 */
export class DeadlineList {
  readonly #ms: number;
  readonly #deadlines: Deadlines;
  readonly #due: (item: Timed) => void;
  #first: Timed | null = null;
  #last: Timed | null = null;

  constructor(deadlines: Deadlines, ms: number, due: (item: Timed) => void) {
    this.#deadlines = deadlines;
    this.#ms = ms;
    this.#due = due;
  }

  /**
   * Begins to wait; ends what the item waited for before.
   * @param since when the wait began, in the time of `Deadlines.now`. Items come nearly in order: the place is found from the end.
   */
  arm(item: Timed, since = this.#deadlines.now): void {
    item.list?.remove(item);
    item.list = this;
    item.dueAt = since + tickMs + this.#ms;
    let before = this.#last;
    while (before !== null && before.dueAt > item.dueAt) before = before.before;
    const after = before === null ? this.#first : before.after;
    item.before = before;
    item.after = after;
    if (before === null) this.#first = item;
    else before.after = item;
    if (after === null) this.#last = item;
    else after.before = item;
  }

  remove(item: Timed): void {
    if (item.before === null) this.#first = item.after;
    else item.before.after = item.after;
    if (item.after === null) this.#last = item.before;
    else item.after.before = item.before;
    item.list = null;
    item.before = null;
    item.after = null;
  }

  sweep(now: number): void {
    while (this.#first !== null && this.#first.dueAt <= now) {
      const item = this.#first;
      this.remove(item);
      this.#due(item);
    }
  }
}

/** All time-outs of the data path, on one timer. */
export class Deadlines {
  /** Monotonic milliseconds of the last tick. */
  now: number;
  readonly #clock: Clock;
  readonly #lists: DeadlineList[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.now = clock.monotonic();
    this.#timer = setInterval(() => this.tick(), tickMs);
  }

  /** A new kind of wait. @param due called with who waited too long; it waits for nothing any more. */
  list(ms: number, due: (item: Timed) => void): DeadlineList {
    const made = new DeadlineList(this, ms, due);
    this.#lists.push(made);
    return made;
  }

  tick(): void {
    this.now = this.#clock.monotonic();
    for (const list of this.#lists) list.sweep(this.now);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
