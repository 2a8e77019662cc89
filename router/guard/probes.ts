import { connect } from "node:net";
import type { Clock } from "../../common/clock.ts";
import type { CellId } from "../../common/ids.ts";
import type { Logger } from "../../common/log.ts";
import type { LiveSlots } from "../table/live-slots.ts";
import type { RoutingTable } from "../table/table.ts";
import type { Breakers } from "./breaker.ts";
import type { InFlight } from "./in-flight.ts";

const lookEveryMs = 100;
/** A cell that owes answers and has given none for this long is asked whether its machine is there at all. */
const quietMs = 400;
/** A handshake within one region takes a millisecond; the kernel answers it, however busy the cell is. */
const handshakeMs = 600;
/** Handshakes that fail one after another before nothing is sent there any more. With the quiet before them less than 2 s. */
const failuresToHold = 2;

export interface ProbesOptions {
  readonly table: RoutingTable;
  readonly liveSlots: LiveSlots;
  readonly breakers: Breakers;
  readonly inFlight: InFlight<CellId>;
  readonly clock: Clock;
  readonly log: Logger;
}

// What is known of a cell that owes answers.
//   quiet    no answer since `since`              → probing (for long enough), forgotten (it answers, or owes nothing)
//   probing  a handshake is under way             → quiet (it came about, or was refused: the machine is there), probing (it did not)
//   held     its breaker refuses all requests     → forgotten (a handshake came about)
interface Quiet {
  since: number;
  /** When the cell had last answered when the quiet began. */
  readonly answeredAt: number;
  failures: number;
  probing: boolean;
  held: boolean;
}

/**
 * Finds out that a cell's machine or the way to it is gone, although nothing says so: packets vanish, and a request on a kept connection would wait
 * its full time (ten seconds) to learn it. A cell that has answered lately, or owes nothing, is never probed; one that is slow takes
 * connections, and is left alone. So no cell is ever taken out by a health check alone: requests must be waiting.
 */
export class Probes {
  readonly #options: ProbesOptions;
  readonly #quiet = new Map<CellId, Quiet>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: ProbesOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#look(), lookEveryMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const { table, breakers, inFlight, clock } = this.#options;
    const now = clock.monotonic();
    for (const { id } of table.cells()) {
      const { answeredAt } = breakers.of(id);
      const known = this.#quiet.get(id);
      if (known?.held !== true && (inFlight.of(id) === 0 || (known !== undefined && known.answeredAt !== answeredAt)))
        this.#quiet.delete(id);
      else if (known === undefined)
        this.#quiet.set(id, { since: now, answeredAt, failures: 0, probing: false, held: false });
      else if (!known.probing && now - known.since >= quietMs) this.#probe(id, known);
    }
  }

  #probe(id: CellId, quiet: Quiet): void {
    const { table, liveSlots, clock } = this.#options;
    const url = table.cell(id)?.slots[liveSlots.of(id)].url;
    if (url === undefined) return void this.#quiet.delete(id);
    quiet.probing = true;
    void handshake(url).then((there) => {
      quiet.probing = false;
      if (this.#quiet.get(id) !== quiet) return;
      if (there) this.#found(id, quiet, clock.monotonic());
      else this.#missed(id, quiet);
    });
  }

  #found(id: CellId, quiet: Quiet, now: number): void {
    const { breakers, log } = this.#options;
    quiet.failures = 0;
    quiet.since = now;
    if (!quiet.held) return;
    breakers.of(id).release();
    this.#quiet.delete(id);
    log.warn({ event: "cell-found-again", cell: id });
  }

  #missed(id: CellId, quiet: Quiet): void {
    const { breakers, log } = this.#options;
    quiet.failures += 1;
    if (quiet.held || quiet.failures < failuresToHold) return;
    quiet.held = true;
    breakers.of(id).hold();
    log.warn({ event: "cell-lost", cell: id });
  }
}

/** @returns false when no answer of any kind came: a refusal is one. */
function handshake(url: string): Promise<boolean> {
  const { hostname, port, protocol } = new URL(url);
  const standard = protocol === "https:" ? 443 : 80;
  return new Promise((resolve) => {
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? standard : Number(port) });
    const done = (there: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(there);
    };
    // After a pause of this process the answer may be there and not yet read: what has come is looked at first.
    const timer = setTimeout(() => setImmediate(() => setImmediate(() => done(false))), handshakeMs);
    socket.on("connect", () => done(true));
    socket.on("error", () => done(true));
  });
}
