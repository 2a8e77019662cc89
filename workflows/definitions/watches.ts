import type { Carried, OpenWatch, Unfinished } from "./carried.ts";

/** A rollout's watches, in this run of its workflow and those before, and what the run before left unfinished. */
export class Watches {
  readonly #watches: OpenWatch[];
  #unfinished: Unfinished | null;
  readonly #entered: () => number;

  /** @param entered the revision at which the state was entered: a bake or a wait is another one when that is another. */
  constructor(carried: Carried | null, entered: () => number) {
    this.#watches = (carried?.watches ?? []).map((watch) => ({ ...watch }));
    this.#unfinished = carried?.unfinished ?? null;
    this.#entered = entered;
  }

  get carried(): Pick<Carried, "watches" | "unfinished"> {
    return { watches: this.#watches, unfinished: this.#unfinished };
  }

  /** Numbers a new watch over a wave. */
  begin(wave: number): OpenWatch {
    const beganAt = new Date().getTime();
    const watch = { number: this.#watches.length + 1, wave, beganAt, looks: 0, isOpen: false, errors: 0 };
    this.#watches.push(watch);
    return watch;
  }

  /** The newest watch over a wave; null where none was opened. */
  of(wave: number): OpenWatch | null {
    return this.#watches.findLast((watch) => watch.wave === wave) ?? null;
  }

  /** Notes a bake or a wait that the next run is to go on with. */
  leave(unfinished: Omit<Unfinished, "entered">): void {
    this.#unfinished = { ...unfinished, entered: this.#entered() };
  }

  /** What the run before left of this bake or wait, with its watch; null where it begins anew. */
  take(purpose: Unfinished["purpose"]): (Unfinished & { readonly open: OpenWatch | null }) | null {
    const unfinished = this.#unfinished;
    this.#unfinished = null;
    if (unfinished?.purpose !== purpose || unfinished.entered !== this.#entered()) return null;
    return { ...unfinished, open: this.#watches.find(({ number }) => number === unfinished.watch) ?? null };
  }
}
