// Who may run beside whom in a worker.
//   open       jobs run side by side                                       → closing (a suspect asks)
//   closing    no new job begins; those that run finish                    → alone (none runs)
//   alone      the suspect runs by itself                                  → open, or closing for the next suspect
// A job whose earlier try ended its process runs alone, so that if the process ends again it is known whose doing it was: the jobs that were
// only near it are not counted down with it.

/** Lets jobs run side by side, and suspects one at a time with nobody beside them. First come, first served; nobody is overtaken. */
export class Company {
  #running = 0;
  #alone = false;
  readonly #waiting: { readonly alone: boolean; readonly begin: () => void }[] = [];

  /** Runs `work` when it may, and passes on its result. */
  async join<Result>(alone: boolean, work: () => Promise<Result>): Promise<Result> {
    if (!this.#mayBegin(alone) || this.#waiting.length > 0)
      await new Promise<void>((begin) => {
        this.#waiting.push({ alone, begin });
      });
    else this.#enter(alone);
    try {
      return await work();
    } finally {
      this.#running -= 1;
      this.#alone = false;
      this.#admit();
    }
  }

  #mayBegin(alone: boolean): boolean {
    return alone ? this.#running === 0 : !this.#alone;
  }

  #enter(alone: boolean): void {
    this.#running += 1;
    this.#alone = alone;
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#mayBegin(next.alone); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#enter(next.alone);
      next.begin();
    }
  }
}
