import type { TenantId } from "../../common/ids.ts";
import { fail } from "../errors.ts";
import type { Place, Word } from "../guard/parking.ts";
import type { Carriage } from "./carriage.ts";

/** A request of a frozen tenant in the parking lot, from its first refusal until it is over. */
export class ParkedRequest {
  readonly #on: Carriage;
  readonly #tenant: TenantId;
  readonly #until: number;
  #place: Place | null = null;
  #probing = false;

  constructor(on: Carriage, tenant: TenantId) {
    this.#on = on;
    this.#tenant = tenant;
    this.#until = on.clock.monotonic() + on.parkMs;
  }

  /** Waits for its turn, again where it was the probe. @param bytes of its body. @throws CellplaneError tenant-frozen */
  async wait(bytes: number): Promise<Word> {
    this.#place = this.#on.parking.park(this.#tenant, bytes, this.#until, this.#probing);
    this.#probing = false;
    if (this.#place === null) throw fail("tenant-frozen", "Too many requests are waiting already.");
    const word = await this.#place.word;
    this.#place = null;
    this.#probing = word === "probe";
    return word;
  }

  /** Gives its place up. */
  leave(): void {
    this.#place?.leave();
  }

  /** If it was the probe: it found the tenant thawed, or will never know, and the next ones go. */
  thawed(): void {
    if (!this.#probing) return;
    this.#probing = false;
    this.#on.parking.thawed(this.#tenant);
  }
}
