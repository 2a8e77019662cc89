import type { TenantId } from "../../../common/ids.ts";
import type { Logger } from "../../../common/log.ts";
import type { Pool } from "../../../common/postgres/pool.ts";
import type { CellState } from "../cell-state.ts";
import { cellError } from "../errors.ts";
import { servedEpochs } from "./streams.store.ts";

/** Whose stream it is. */
export interface StreamOwner {
  readonly id: TenantId;
  readonly epoch: number;
  readonly synthetic: boolean;
}

interface OpenStream {
  readonly owner: StreamOwner;
  /** Tells the client to come again, and closes. */
  readonly end: () => void;
}

export interface StreamsOptions {
  readonly system: Pool;
  readonly state: Pick<CellState, "phase" | "confirmed">;
  readonly log: Logger;
}

/** A stream costs some ten KiB and a timer; this many fit beside a process's other work. */
const mostStreams = 2_000;
/** One tenant must not take all of them. */
const mostOfTenant = 200;
/** A lease's change is told at once, and noticed by this at the latest. */
const lookEveryMs = 2_000;

// An open stream.
//   open   its tenant is served here, at its epoch   → ended: the lease was frozen, released, suspended or re-granted; another slot became live;
//                                                      the process stops; or the client left
// While the database cannot be asked streams stay open: they promise nothing, and each read and write of theirs is checked anyway.

/** The streams (SSE, WebSocket) that this process holds open: counted, bounded, and ended when their tenant is not served here any more. */
export class Streams {
  readonly #options: StreamsOptions;
  readonly #open = new Set<OpenStream>();
  readonly #perTenant = new Map<TenantId, number>();
  #timer: NodeJS.Timeout | undefined;
  #looking = false;
  /** A notice came while the leases were being asked: what was read may be older than it. */
  #again = false;
  #leaving = false;

  constructor(options: StreamsOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#open.size;
  }

  /**
   * Lets a stream begin.
   * @param end called at most once, when the stream must end.
   * @returns what to call when the stream is over, for whatever reason; again does no harm.
   * @throws too-many-streams, streams-ending
   */
  admit(owner: StreamOwner, end: () => void): () => void {
    // A slot that was switched away would have to end it at once; said so, the router takes it to the live one.
    if (this.#leaving || this.#options.state.phase === "draining")
      throw cellError("streams-ending", "Another process serves from now on.", { extra: { retryAfterSeconds: 1 } });
    const ofTenant = this.#perTenant.get(owner.id) ?? 0;
    if (ofTenant >= mostOfTenant || this.#open.size >= mostStreams)
      throw cellError("too-many-streams", `At most ${mostOfTenant} streams of a tenant may be open.`);
    const stream = { owner, end };
    this.#open.add(stream);
    this.#perTenant.set(owner.id, ofTenant + 1);
    this.#timer ??= setInterval(() => void this.look(), lookEveryMs);
    return () => void this.#forget(stream);
  }

  /** Ends every stream; clients come again and find whoever serves then. */
  endAll(): void {
    for (const stream of this.#open) this.#end(stream);
  }

  /** Ends every stream and lets none begin any more: the process stops. */
  leave(): void {
    this.#leaving = true;
    this.endAll();
  }

  /** Asks what the leases say, and ends the streams of tenants that are not served here at that epoch. Never throws. */
  async look(): Promise<void> {
    if (this.#looking) {
      this.#again = true;
      return;
    }
    this.#looking = true;
    try {
      do {
        this.#again = false;
        await this.#compare();
      } while (this.#again);
    } catch (error) {
      this.#options.log.debug({ event: "leases-not-asked", err: error });
    } finally {
      this.#looking = false;
    }
  }

  async #compare(): Promise<void> {
    if (!this.#options.state.confirmed) this.endAll();
    // Only those that were open before the question: of a later one's tenant it may say nothing.
    const asked = [...this.#open];
    if (asked.length === 0) return;
    const served = await servedEpochs(this.#options.system, [...this.#perTenant.keys()]);
    for (const stream of asked) if (served.get(stream.owner.id) !== stream.owner.epoch) this.#end(stream);
  }

  #end(stream: OpenStream): void {
    if (this.#forget(stream)) stream.end();
  }

  /** @returns whether it was still open. */
  #forget(stream: OpenStream): boolean {
    if (!this.#open.delete(stream)) return false;
    const left = (this.#perTenant.get(stream.owner.id) ?? 1) - 1;
    if (left > 0) this.#perTenant.set(stream.owner.id, left);
    else this.#perTenant.delete(stream.owner.id);
    if (this.#open.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    return true;
  }
}
