import type { Clock } from "../../common/clock.ts";
import type { Alarm } from "../../common/contracts/cell-admin.ts";
import type { Logger } from "../../common/log.ts";

/** So many well signed tokens in a row, over so long, must be out of their time: one that is late, or sent again by a thief, says nothing of our clock. */
const refusalsInARow = 3;
const overMs = 2_000;

// Whose clock is wrong cannot be known; that nobody's word is believed any more can.
//   agreeing  tokens are in their time                          → doubtful (a well signed one is not)
//   doubtful  some are not, none was since                      → agreeing (one is), skewed (enough are not, for long enough)
//   skewed    alarmed; the process is not ready                 → agreeing (one is in its time)
// Ownership does not hang on it (I5): who is refused here changes nothing, and leases know no clock but their database's.

/** Notices that this process refuses everybody of a kind for their time. */
export class ClockSkew {
  readonly #whose: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  #refusals = 0;
  /** Monotonic milliseconds of the first refusal in a row. */
  #since = 0;
  /** Their clock minus ours, by the last token refused. */
  #offsetSeconds = 0;
  #skewed = false;

  /** @param whose tokens are judged, for people: `routers`. */
  constructor(whose: string, clock: Clock, log: Logger) {
    this.#whose = whose;
    this.#clock = clock;
    this.#log = log;
  }

  get skewed(): boolean {
    return this.#skewed;
  }

  /** What keeps the process from being ready, empty when nothing does. */
  problems(): string[] {
    return this.alarms().map(({ code, detail }) => `${code}: ${detail}`);
  }

  /** The same for those who watch alarms: a person has to set a clock, the process cannot mend it. */
  alarms(): Alarm[] {
    if (!this.#skewed) return [];
    const by = Math.abs(this.#offsetSeconds);
    const way = this.#offsetSeconds > 0 ? "behind" : "ahead of";
    const detail = `this machine's clock is about ${by} s ${way} that of the ${this.#whose}, and all are refused`;
    return [{ code: "clock-skew", detail }];
  }

  /** A token was in its time. */
  accepted(): void {
    if (this.#refusals === 0) return;
    if (this.#skewed) this.#log.warn({ event: "clock-skew-over", whose: this.#whose });
    this.#refusals = 0;
    this.#skewed = false;
  }

  /** A token of a trusted key was refused for its time. @param issuedAt its `iat`, in seconds. */
  refused(issuedAt: number): void {
    const now = this.#clock.monotonic();
    if (this.#refusals === 0) this.#since = now;
    this.#refusals += 1;
    this.#offsetSeconds = issuedAt - Math.floor(this.#clock.now() / 1000);
    if (this.#skewed || this.#refusals < refusalsInARow || now - this.#since < overMs) return;
    this.#skewed = true;
    this.#log.error({ event: "clock-skew", whose: this.#whose, offsetSeconds: this.#offsetSeconds });
  }
}
