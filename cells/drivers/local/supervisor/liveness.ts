import type { Clock } from "../../../../common/clock.ts";
import type { Logger } from "../../../../common/log.ts";

// A process that lives but answers no more (its loop turns for ever, it waits for a lock that nobody frees) tells nobody. It is
// restarted, but late and one at a time: on a machine without breath everything is slow at once, and restarting all of it would
// be the outage that the check is there to prevent.

/** Questions that go unanswered, one after another, before a process is restarted: the bound is spread over them. */
const rounds = 12;
/** One that never answered since it began has so many times longer: it may be making its caches, or replaying a log. */
const startFactor = 5;
/** Later than this, the supervisor itself got no time from the machine, and its own lateness looks like others' silence. */
const lateMs = 1_000;

/** How long a living process has not answered. */
export interface Silence {
  /** Monotonic time of the first question without an answer. */
  readonly since: number;
  /** Questions without an answer, one after another. */
  readonly rounds: number;
  /** Whether it was healthy once in this life. */
  readonly everAnswered: boolean;
  /** How often it was tried to end this silence. */
  readonly tries: number;
}

/** What the watch needs of a process. */
export interface Watched {
  readonly spec: { readonly name: string };
  /** Asks it, if it is one to be asked now, and remembers the answer. */
  listen(): Promise<void>;
  /** Its silence; null where it answered, or need not. */
  readonly silence: Silence | null;
  /** Ends its silence; how is its own affair. */
  breakSilence(silentForMs: number): Promise<void>;
}

export interface LivenessOptions {
  readonly processes: () => readonly Watched[];
  /** How long a process may be silent, in milliseconds. */
  readonly silentMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Asks all processes again and again, and restarts who is silent for too long: one at a time, with half the bound between two. */
export class LivenessWatch {
  readonly #options: LivenessOptions;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  #lastBrokenAt = -Infinity;

  constructor(options: LivenessOptions) {
    this.#options = options;
  }

  start(): void {
    const roundMs = this.#options.silentMs / rounds;
    const dueAt = this.#options.clock.monotonic() + roundMs;
    this.#timer = setTimeout(() => {
      void this.round(dueAt).finally(() => {
        if (!this.#stopped) this.start();
      });
    }, roundMs);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** One round, which should have begun at `dueAt`. Never throws. */
  async round(dueAt: number): Promise<void> {
    const { processes, clock, log, silentMs } = this.#options;
    const late = clock.monotonic() - dueAt;
    if (late > lateMs) {
      log.warn({ event: "liveness-round-left-out", lateMs: Math.round(late) });
      return;
    }
    const watched = processes();
    await Promise.all(watched.map((process) => process.listen()));
    const now = clock.monotonic();
    if (now - this.#lastBrokenAt < silentMs / 2) return;
    // One that does not end although it was asked must not keep the others from their turn.
    const [longest] = watched
      .flatMap((process) => {
        const { silence } = process;
        return silence === null || !isTooLong(silence, now, silentMs) ? [] : [{ process, ...silence }];
      })
      .toSorted((a, b) => a.tries - b.tries || a.since - b.since);
    if (longest === undefined) return;
    this.#lastBrokenAt = now;
    const silentForMs = Math.round(now - longest.since);
    log.warn({ event: "silent", process: longest.process.spec.name, silentForMs });
    try {
      await longest.process.breakSilence(silentForMs);
    } catch (error) {
      log.error({ event: "silence-not-broken", process: longest.process.spec.name, err: error });
    }
  }
}

function isTooLong(silence: Silence, now: number, silentMs: number): boolean {
  const limitMs = silence.everAnswered ? silentMs : silentMs * startFactor;
  // Time alone would count a moment in which the whole machine stood still.
  return silence.rounds >= rounds - 2 && now - silence.since >= limitMs;
}
