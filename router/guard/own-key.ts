import { stat } from "node:fs/promises";
import type { TrustStore } from "../../common/fleet/trust.ts";
import type { PartId } from "../../common/ids.ts";
import { loadSigningKey, type SigningKey } from "../../common/keys.ts";
import type { Logger } from "../../common/log.ts";

/** How often the file is looked at. */
const lookEveryMs = 2_000;

export interface OwnKeyOptions {
  readonly part: PartId;
  readonly file: string;
  /** What the file held at the start. */
  readonly current: SigningKey;
  readonly trust: () => TrustStore;
  /** Another key signs from now on. */
  readonly onTurn: (key: SigningKey) => void;
  readonly log: Logger;
}

/**
 * The key with which the router signs. It rotates without a restart: another key is put into its file (by renaming a whole one over it), and is used as
 * soon as the fleet document names it as this router's; until then nobody would believe it, and the one before signs on.
 */
export class OwnKey {
  readonly #part: PartId;
  readonly #file: string;
  readonly #trust: () => TrustStore;
  readonly #onTurn: (key: SigningKey) => void;
  readonly #log: Logger;
  #current: SigningKey;
  #next: SigningKey | null = null;
  #mark = "";
  #timer: NodeJS.Timeout | null = null;

  constructor(options: OwnKeyOptions) {
    const { part, file, current, trust, onTurn, log } = options;
    this.#part = part;
    this.#onTurn = onTurn;
    this.#file = file;
    this.#current = current;
    this.#trust = trust;
    this.#log = log;
  }

  get now(): SigningKey {
    return this.#current;
  }

  start(): void {
    this.#timer = setInterval(() => void this.look(), lookEveryMs);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** Reads the file where it changed, and turns to its key where it is trusted. What cannot be read is logged, and changes nothing. */
  async look(): Promise<void> {
    try {
      const { mtimeMs, size, ino } = await stat(this.#file);
      const mark = `${mtimeMs} ${size} ${ino}`;
      if (mark !== this.#mark) {
        this.#mark = mark;
        const read = loadSigningKey(this.#file);
        this.#next = read.kid === this.#current.kid ? null : read;
      }
    } catch (error) {
      // Between the old file and the new there may be none.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT")
        this.#log.warn({ event: "key-unreadable", file: this.#file, err: error });
    }
    if (this.#next === null || this.#trust().find(this.#next.kid)?.part !== this.#part) return;
    this.#log.info({ event: "key-rotated", from: this.#current.kid, to: this.#next.kid });
    this.#current = this.#next;
    this.#next = null;
    this.#onTurn(this.#current);
  }
}
