import Value from "typebox/value";
import type { Clock } from "../../../common/clock.ts";
import { commandLifeSeconds } from "../../../common/contracts/assertion.ts";
import { ShipmentReceipt, wholeSinceHeader } from "../../../common/contracts/rollups.ts";
import type { CellId } from "../../../common/ids.ts";
import type { SigningKey } from "../../../common/keys.ts";
import type { Logger } from "../../../common/log.ts";
import type { Pool } from "../../../common/postgres/pool.ts";
import { signToken } from "../../../common/tokens.ts";
import { rollupsKeptDays } from "./kept.ts";
import { numberChanges, readNumbering, readRun, type Numbering, type ShipmentRun } from "./shipment.store.ts";

// What the shipper knows of the aggregator:
//   unknown   nothing is known of what it expects      → level, behind (its receipt says)
//   level     it expects the next number               → level (next shipment taken), behind (a gap), unknown (not reached)
//   behind    it misses numbers, which are sent first  → level
// New numbers are given only when level, so that an absent aggregator costs none.

export interface ShipperOptions {
  readonly cell: CellId;
  readonly key: SigningKey;
  readonly system: Pool;
  readonly clock: Clock;
  /** The aggregator's address as the fleet document has it; null while it is not known. */
  readonly aggregator: () => string | null;
  readonly isSingle: () => boolean;
  readonly log: Logger;
}

const everyMs = 1_500;
const rowsOfAShipment = 2_000;
const rowsOfARun = 5_000;
const timeoutMs = 5_000;
/** Hours younger than this are all here: what is older may be swept at any moment. */
const wholeMs = (rollupsKeptDays - 1) * 86_400_000;
/** Shipments of one catching up; more follow at the next tick. */
const mostAtOnce = 10_000;
/** A token is signed anew well before its end. */
const tokenReuseMs = (commandLifeSeconds * 1000) / 2;

/** Pushes the cell's rollups to the aggregator, numbered, until each number has been taken. One worker of a cell does it at a time. */
export class RollupShipper {
  readonly #options: ShipperOptions;
  #expected: number | null = null;
  #incarnation: string | null = null;
  #token: { readonly text: string; readonly at: number } | null = null;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  #failing = false;

  constructor(options: ShipperOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#stopped) return;
    this.#running = this.#tick().finally(() => {
      if (!this.#stopped) this.#timer = setTimeout(() => this.start(), everyMs);
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  async #tick(): Promise<void> {
    const url = this.#options.aggregator();
    if (url === null || !this.#options.isSingle()) return;
    try {
      await this.#ship(url);
      this.#failing = false;
    } catch (error) {
      this.#expected = null;
      if (!this.#failing) this.#options.log.warn({ event: "shipment-failed", err: error });
      this.#failing = true;
    }
  }

  async #ship(url: string): Promise<void> {
    let numbering: Numbering = await readNumbering(this.#options.system);
    if (numbering.incarnation !== this.#incarnation) this.#expected = null;
    this.#incarnation = numbering.incarnation;
    for (let sent = 0; sent < mostAtOnce; sent++) {
      if (this.#expected === null || this.#expected > numbering.last) {
        const numbered = await numberChanges(this.#options.system, rowsOfAShipment);
        numbering = numbered;
        const run = await readRun(this.#options.system, numbering.last, numbering.last, rowsOfARun);
        // Taken in its turn, nothing is left that no shipment of this life has held.
        const isWhole = numbered.rows < rowsOfAShipment;
        await this.#send(url, numbering, run, isWhole);
        if (this.#expected === numbering.last + 1 && numbered.rows < rowsOfAShipment) return;
      } else {
        await this.#catchUp(url, numbering, this.#expected);
      }
    }
  }

  /** Sends what the aggregator misses as one run; where that gets no further (it knows no runs), its first number alone. */
  async #catchUp(url: string, numbering: Numbering, from: number): Promise<void> {
    await this.#send(url, numbering, await readRun(this.#options.system, from, numbering.last, rowsOfARun));
    if (this.#expected !== from) return;
    await this.#send(url, numbering, await readRun(this.#options.system, from, from, rowsOfARun));
    if (this.#expected === from) throw new Error(`the aggregator expects shipment ${from} but does not take it`);
  }

  async #send(url: string, numbering: Numbering, run: ShipmentRun, isWhole = false): Promise<void> {
    const now = this.#options.clock.now();
    const shipment = {
      cell: this.#options.cell,
      incarnation: numbering.incarnation,
      number: run.to,
      ...(run.from === run.to ? {} : { from: run.from }),
      asOf: new Date(now).toISOString(),
      rows: run.rows,
    };
    const response = await fetch(new URL("/v1/shipments", url), {
      method: "POST",
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${await this.#signed()}`,
        ...(isWhole ? { [wholeSinceHeader]: new Date(now - wholeMs).toISOString() } : {}),
      },
      body: JSON.stringify(shipment),
      signal: AbortSignal.timeout(timeoutMs),
      redirect: "error",
    });
    const answer: unknown = await response.json();
    if (!response.ok || !Value.Check(ShipmentReceipt, answer))
      throw new Error(`the aggregator answered ${response.status} to shipment ${run.to}`);
    this.#expected = answer.next;
  }

  async #signed(): Promise<string> {
    const now = this.#options.clock.now();
    if (this.#token !== null && Math.abs(now - this.#token.at) < tokenReuseMs) return this.#token.text;
    const iat = Math.floor(now / 1000);
    const claims = { iss: this.#options.cell, aud: "aggregator", iat, exp: iat + commandLifeSeconds };
    this.#token = { text: await signToken("cp-command", claims, this.#options.key), at: now };
    return this.#token.text;
  }
}
