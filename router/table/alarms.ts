import type { SubscriptionStatus } from "../../common/fleet/subscription.ts";
import type { Logger } from "../../common/log.ts";

/** A refusal is an alarm for this long: somebody should look, also when the next document was good. */
const refusedSeconds = 300;
const lookEveryMs = 1_000;

/** Something about the table that a person should look at although the router serves. */
export interface TableAlarm {
  readonly code: "table-stale" | "table-refused" | "table-not-kept";
  readonly detail: string;
}

/** What is wrong with the table now. Pure. */
export function tableAlarms(status: SubscriptionStatus, staleSeconds: number): TableAlarm[] {
  const alarms: TableAlarm[] = [];
  const { ageSeconds, refused, refusedAgoSeconds, notKept, kept } = status;
  if (ageSeconds > staleSeconds) {
    const age = Number.isFinite(ageSeconds) ? `for ${Math.floor(ageSeconds)} s` : "in this life";
    alarms.push({ code: "table-stale", detail: `not known to be current ${age}` });
  }
  if (refusedAgoSeconds < refusedSeconds) {
    const counts = Object.entries(refused).map(([reason, count]) => `${count} ${reason}`);
    alarms.push({ code: "table-refused", detail: `refused since the start: ${counts.join(", ")}` });
  }
  if (!kept) alarms.push({ code: "table-not-kept", detail: `the disk did not take it ${notKept} times` });
  return alarms;
}

/** Logs alarms when they come and when they go. */
export class AlarmWatch {
  readonly #look: () => readonly TableAlarm[];
  readonly #log: Logger;
  readonly #timer: NodeJS.Timeout;
  #known = new Set<string>();

  constructor(look: () => readonly TableAlarm[], log: Logger) {
    this.#look = look;
    this.#log = log;
    this.#timer = setInterval(() => this.#tick(), lookEveryMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const now = this.#look();
    for (const { code, detail } of now) if (!this.#known.has(code)) this.#log.error({ event: "alarm", code, detail });
    const codes = new Set<string>(now.map(({ code }) => code));
    for (const code of this.#known) if (!codes.has(code)) this.#log.info({ event: "alarm-ended", code });
    this.#known = codes;
  }
}
