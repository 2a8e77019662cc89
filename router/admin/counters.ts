/** What the router counts of its own doings, since the process began. A plain object: one increment costs nothing. */
export class Counters {
  /** Answers of the router's own, by code; the codes are a closed set, so this is bounded. */
  readonly refusals = new Map<string, number>();
  slotTurns = 0;
  retries = 0;
  recordsAdopted = 0;
  wordsRefused = 0;
  epochsCorrected = 0;
  clientsGone = 0;
  /** Answers that a cell broke off in the middle. */
  answersCut = 0;
  websockets = 0;

  refused(code: string): void {
    this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1);
  }
}
