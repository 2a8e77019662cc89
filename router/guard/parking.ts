import type { Clock } from "../../common/clock.ts";
import type { TenantId } from "../../common/ids.ts";

/** Most requests held at once, and most bytes of their bodies: what a freeze of a busy tenant brings, and what a router can bear. */
const maxParked = 1_000;
const maxParkedBytes = 32 * 1024 * 1024;
/** The first in line is sent ahead this often, to find out whether the tenant is thawed. */
const probeEveryMs = 25;

/** What a parked request is told: go ahead as the probe, go with all others, the time is over, or its client went away. */
export type Word = "probe" | "go" | "expired" | "left";

interface Waiting {
  readonly bytes: number;
  readonly deadline: number;
  readonly tell: (word: Word) => void;
}

interface Line {
  readonly waiting: Waiting[];
  probing: boolean;
}

/** A place in line; `leave` gives it up when the client goes away. */
export interface Place {
  readonly word: Promise<Word>;
  leave(): void;
}

/**
 * Holds requests of frozen tenants, first in, first out. Per tenant one request at a time is the probe; when it finds the tenant thawed,
 * all others go. Whoever was told `probe` must call `park` again (still frozen) or `thawed`.
 */
export class ParkingLot {
  readonly #clock: Clock;
  readonly #lines = new Map<TenantId, Line>();
  #timer: NodeJS.Timeout | null = null;
  #bytes = 0;
  #count = 0;
  parked = 0;
  refused = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get count(): number {
    return this.#count;
  }

  /**
   * @param deadline monotonic milliseconds until which it may stand here.
   * @param again whether it is a probe that found the tenant still frozen: it goes back to the front.
   * @returns null when the lot is full.
   */
  park(tenant: TenantId, bytes: number, deadline: number, again: boolean): Place | null {
    const line = this.#lineOf(tenant);
    if (again) line.probing = false;
    if (this.#count >= maxParked || this.#bytes + bytes > maxParkedBytes) {
      this.refused += 1;
      this.#tidy(tenant, line);
      return null;
    }
    const { promise, resolve } = Promise.withResolvers<Word>();
    const waiting: Waiting = { bytes, deadline, tell: resolve };
    if (again) line.waiting.unshift(waiting);
    else line.waiting.push(waiting);
    this.#count += 1;
    this.#bytes += bytes;
    if (!again) this.parked += 1;
    this.#timer ??= setInterval(() => this.#tick(), probeEveryMs);
    return { word: promise, leave: () => this.#remove(tenant, line, waiting) };
  }

  /** The tenant is thawed, or has another owner: everybody goes. */
  thawed(tenant: TenantId): void {
    const line = this.#lines.get(tenant);
    if (line === undefined) return;
    line.probing = false;
    while (line.waiting.length > 0) this.#take(line)?.tell("go");
    this.#tidy(tenant, line);
  }

  /** Tenants of whom somebody waits. */
  tenants(): IterableIterator<TenantId> {
    return this.#lines.keys();
  }

  #tick(): void {
    const now = this.#clock.monotonic();
    for (const [tenant, line] of this.#lines) {
      while ((line.waiting[0]?.deadline ?? Number.POSITIVE_INFINITY) <= now) this.#take(line)?.tell("expired");
      if (!line.probing && line.waiting.length > 0) {
        line.probing = true;
        this.#take(line)?.tell("probe");
      }
      this.#tidy(tenant, line);
    }
  }

  #take(line: Line): Waiting | undefined {
    const first = line.waiting.shift();
    if (first !== undefined) {
      this.#count -= 1;
      this.#bytes -= first.bytes;
    }
    return first;
  }

  #remove(tenant: TenantId, line: Line, waiting: Waiting): void {
    const at = line.waiting.indexOf(waiting);
    if (at < 0) return;
    line.waiting.splice(at, 1);
    this.#count -= 1;
    this.#bytes -= waiting.bytes;
    waiting.tell("left");
    this.#tidy(tenant, line);
  }

  #lineOf(tenant: TenantId): Line {
    let line = this.#lines.get(tenant);
    if (line === undefined) {
      line = { waiting: [], probing: false };
      this.#lines.set(tenant, line);
    }
    return line;
  }

  #tidy(tenant: TenantId, line: Line): void {
    if (line.waiting.length === 0 && !line.probing) this.#lines.delete(tenant);
    if (this.#lines.size === 0 && this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
  }
}
