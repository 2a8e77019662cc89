/** Share of requests that may be tried again, and how many retries may be saved up, so that a failing cell is not beaten further. */
const share = 0.2;
const mostSaved = 50;
/** A quiet cell may still lose a connection now and then. */
const atFirst = 10;

/** Retries of one cell: each request earns a fifth of one. */
export class RetryBudget {
  #saved = atFirst;

  earn(): void {
    this.#saved = Math.min(mostSaved, this.#saved + share);
  }

  /** @returns whether a retry is affordable; then it is paid. */
  spend(): boolean {
    if (this.#saved < 1) return false;
    this.#saved -= 1;
    return true;
  }
}

/** One budget per cell. */
export class RetryBudgets {
  readonly #byCell = new Map<string, RetryBudget>();

  of(cell: string): RetryBudget {
    let budget = this.#byCell.get(cell);
    if (budget === undefined) {
      budget = new RetryBudget();
      this.#byCell.set(cell, budget);
    }
    return budget;
  }

  forget(cell: string): void {
    this.#byCell.delete(cell);
  }
}
