import type { Logger } from "../log.ts";

type Releaser = () => Promise<void> | void;

/**
 * What a process must let go of when it stops, last taken first let go. SIGTERM and SIGINT begin it; a second signal or the
 * deadline ends the process at once.
 */
export class Shutdown {
  readonly #releasers: { readonly name: string; readonly release: Releaser }[] = [];
  readonly #log: Logger;
  readonly #deadlineMs: number;
  #begun = false;

  constructor(log: Logger, deadlineMs = 30_000) {
    this.#log = log;
    this.#deadlineMs = deadlineMs;
  }

  /** Adds what must be let go of; order of release is the reverse of order of adding. */
  add(name: string, release: Releaser): void {
    this.#releasers.push({ name, release });
  }

  /** Listens for SIGTERM and SIGINT. */
  listen(): void {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => {
        if (this.#begun) process.exit(1);
        void this.run(signal).then((clean) => process.exit(clean ? 0 : 1));
      });
    }
  }

  /** @returns whether everything was let go of without an error. */
  async run(reason: string): Promise<boolean> {
    this.#begun = true;
    this.#log.info({ event: "stopping", reason });
    const deadline = setTimeout(() => {
      this.#log.error({ event: "stop-timed-out", deadlineMs: this.#deadlineMs });
      process.exit(1);
    }, this.#deadlineMs);
    deadline.unref();
    let clean = true;
    for (const { name, release } of this.#releasers.reverse()) {
      try {
        await release();
      } catch (error) {
        clean = false;
        this.#log.error({ event: "release-failed", what: name, err: error });
      }
    }
    clearTimeout(deadline);
    return clean;
  }
}
