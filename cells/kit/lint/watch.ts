import type { Logger } from "../../../common/log.ts";
import type { Pool } from "../../../common/postgres/pool.ts";
import { lintSchema } from "./schema.store.ts";
import { findingText } from "./schema-rules.ts";

export interface SchemaWatchOptions {
  readonly system: Pool;
  readonly log: Logger;
}

/** A migration is judged before it commits; this finds what somebody does by hand, so it need not be quick. */
const everyMs = 60_000;
/** As long as the schema was never seen, because the database is away. */
const firstEveryMs = 1_000;
/** Findings that a status names; the log has them all. */
const mostNamed = 5;

// What the watch knows of the live schema:
//   unseen   it could not be read yet      → clean, unsafe
//   clean    nothing was found             → clean, unsafe
//   unsafe   something was found: not ready → clean, unsafe
// While the database cannot be asked what was known last holds.

/** Looks at the live schema at the start and from then on; a process over an unsafe schema is not ready, and says why and what mends it. */
export class SchemaWatch {
  readonly #options: SchemaWatchOptions;
  #problems: readonly string[] = ["schema-unseen: the live schema was not checked yet"];
  #seen = false;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: SchemaWatchOptions) {
    this.#options = options;
  }

  /** What keeps the process from being ready; empty when nothing does. */
  problems(): readonly string[] {
    return this.#problems;
  }

  async start(): Promise<void> {
    await this.#look();
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.start(), this.#seen ? everyMs : firstEveryMs);
    this.#timer.unref();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #look(): Promise<void> {
    const { system, log } = this.#options;
    try {
      const texts = (await lintSchema(system)).map(findingText);
      const problems = texts.slice(0, mostNamed).map((text) => `schema-unsafe: ${text}`);
      if (problems.length > 0 && problems.join() !== this.#problems.join())
        log.error({ event: "schema-unsafe", findings: texts });
      this.#problems = problems;
      this.#seen = true;
    } catch (error) {
      log.debug({ event: "schema-not-read", err: error });
    }
  }
}
