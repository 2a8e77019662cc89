import type { Clock } from "../../common/clock.ts";
import type { TenantRow } from "../../common/contracts/fleet.ts";
import { internalHeaders } from "../../common/contracts/headers.ts";
import type { Slot } from "../../common/contracts/lease.ts";
import type { TrustStore } from "../../common/fleet/trust.ts";
import type { CellId, KeyId } from "../../common/ids.ts";
import type { Logger } from "../../common/log.ts";
import { TokenRefused } from "../../common/tokens.ts";
import type { Counters } from "../admin/counters.ts";
import type { SampleCounters } from "../admin/samples.ts";
import { fail } from "../errors.ts";
import type { Assertions } from "../guard/assertions.ts";
import type { Breakers } from "../guard/breaker.ts";
import { fieldsFromCell, type FromCell } from "../guard/fields.ts";
import type { CheckedHead } from "../guard/head.ts";
import type { InFlight } from "../guard/in-flight.ts";
import { readLeaseWord, type Word } from "../guard/lease-words.ts";
import type { ParkingLot } from "../guard/parking.ts";
import type { RetryBudgets } from "../guard/retry-budget.ts";
import type { LiveSlots } from "../table/live-slots.ts";
import type { Owner, Owners } from "../table/owners.ts";
import type { RoutingTable } from "../table/table.ts";
import { attempt, type Outcome } from "./attempt.ts";
import type { Exchange } from "./exchange.ts";
import type { Pools } from "./pools.ts";
import { joinSockets, relayAnswer } from "./relay.ts";
import { nextStep, type History, type Result, type Step } from "./steps.ts";

/** All that a request needs on its way to a cell and back. */
export interface Carriage {
  readonly table: RoutingTable;
  readonly owners: Owners;
  readonly liveSlots: LiveSlots;
  readonly trust: TrustStore;
  readonly assertions: Assertions;
  readonly breakers: Breakers;
  readonly cellInFlight: InFlight<CellId>;
  readonly cellCap: number;
  readonly budgets: RetryBudgets;
  readonly parking: ParkingLot;
  readonly parkMs: number;
  readonly pools: Pools;
  readonly connectTimeoutMs: number;
  readonly firstByteTimeoutMs: number;
  readonly samples: SampleCounters;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A request that may pass. */
export interface Passage {
  readonly head: CheckedHead;
  readonly tenant: TenantRow;
  readonly principal: KeyId | "anonymous";
  /** The fields for the cell, without what changes from try to try. */
  readonly fields: readonly string[];
}

/** A cell's own refusals are short; a longer answer that nobody gets costs its connection instead of our time. */
const discardBytes = 64 * 1024;

const safeMethods = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * Carries a request to the tenant's owner and the answer back, following the owner's word where it is another than thought.
 * Resolves when the answer is out or the client gone.
 * @throws CellplaneError cell-*, tenant-frozen, owner-unknown, not-replayable, answer-lost, or what broke the request off
 */
export async function carry(exchange: Exchange, passage: Passage, carriage: Carriage): Promise<void> {
  const owner = carriage.owners.ownerOf(passage.tenant);
  if (owner === undefined)
    throw fail("cell-unavailable", `The cell ${passage.tenant.cell} is not in the fleet document.`);
  const journey = new Journey(exchange, passage, carriage, owner);
  try {
    await journey.run();
  } finally {
    journey.end();
  }
}

/** The tries of one request. */
class Journey {
  readonly #exchange: Exchange;
  readonly #passage: Passage;
  readonly #on: Carriage;
  readonly #history: History = { turns: 0, refusals: 0, words: 0, retries: 0 };
  #owner: Owner;
  /** The cell whose cap and breaker this request counts under now. */
  #entered: CellId | null = null;
  /** A slot to ask instead of the live one, after a refused connection. */
  #slot: Slot | null = null;
  #probing = false;
  #parkedUntil: number | null = null;

  constructor(exchange: Exchange, passage: Passage, carriage: Carriage, owner: Owner) {
    this.#exchange = exchange;
    this.#passage = passage;
    this.#on = carriage;
    this.#owner = owner;
  }

  async run(): Promise<void> {
    this.#exchange.sendContinue();
    // Ends: every step but the last uses up one of the history's counts, or waits in the parking lot until its deadline.
    for (;;) {
      this.#enter(this.#owner.cell);
      const slot = this.#slot ?? this.#on.liveSlots.of(this.#owner.cell);
      const outcome = await this.#try(slot);
      if (this.#exchange.gone) return this.#discard(outcome);
      if (this.#exchange.failure !== null) {
        this.#discard(outcome);
        throw this.#exchange.failure;
      }
      if (await this.#proceed(outcome, slot)) return;
    }
  }

  end(): void {
    if (this.#probing) this.#on.parking.thawed(this.#passage.tenant.id);
    this.#leaveCell();
  }

  async #try(slot: Slot): Promise<Outcome> {
    const { tenant, principal, head, fields } = this.#passage;
    const { cell, epoch, addresses, record } = this.#owner;
    const signed = this.#on.assertions.of({ cell, tenant: tenant.id, epoch, principal, synthetic: tenant.synthetic });
    const assertion = typeof signed === "string" ? signed : await signed;
    const sent = [...fields, internalHeaders.assertion, assertion];
    if (record !== undefined) sent.push(internalHeaders.releaseRecord, record);
    return attempt({
      pool: this.#on.pools.of(addresses[slot].url),
      method: head.method,
      target: head.target,
      fields: sent,
      body: this.#exchange.body,
      connectTimeoutMs: this.#on.connectTimeoutMs,
      firstByteTimeoutMs: this.#on.firstByteTimeoutMs,
      onRequest: (request) => this.#exchange.underWay(request),
    });
  }

  /** Does what the outcome asks for. @returns whether the request is done. */
  async #proceed(outcome: Outcome, slotAsked: Slot): Promise<boolean> {
    const breaker = this.#on.breakers.of(this.#owner.cell);
    const from =
      "response" in outcome
        ? fieldsFromCell(outcome.response.rawHeaders, this.#exchange.id, outcome.kind === "switched")
        : null;
    if (from !== null) {
      breaker.answered();
      this.#learnSlot(from, slotAsked);
    }
    const situation = {
      slotAsked,
      replayable: this.#exchange.body.replayable,
      safe: safeMethods.has(this.#passage.head.method),
    };
    const step = nextStep(resultOf(outcome, from), this.#history, situation);
    this.#slot = null;
    switch (step.kind) {
      case "relay":
        await this.#relay(outcome, from as FromCell);
        return true;
      case "turn":
        this.#discard(outcome);
        if (outcome.kind === "refused") this.#history.refusals += 1;
        else this.#history.turns += 1;
        this.#on.counters.slotTurns += 1;
        this.#slot = step.slot;
        return false;
      case "read-word":
        this.#discard(outcome);
        await this.#follow((from as FromCell).leaseWord ?? "", situation.replayable && from?.notExecuted !== null);
        return false;
      case "park":
        this.#discard(outcome);
        return this.#park();
      case "retry":
        this.#history.retries += 1;
        if (!this.#on.budgets.of(this.#owner.cell).spend())
          return this.#fail({ kind: "fail", code: "answer-lost" }, outcome);
        this.#on.counters.retries += 1;
        this.#exchange.body.detach();
        return false;
      case "fail":
        return this.#fail(step, outcome);
      default:
        return step satisfies never;
    }
  }

  /** A slot that is not live names the live one; a slot that names none, and was asked because another refused, is the live one. */
  #learnSlot(from: FromCell, slotAsked: Slot): void {
    if (from.slot !== null) this.#on.liveSlots.heard(this.#owner.cell, from.slot);
    else if (this.#slot === slotAsked && from.release !== null) this.#on.liveSlots.heard(this.#owner.cell, slotAsked);
  }

  #fail(step: Extract<Step, { kind: "fail" }>, outcome: Outcome): never {
    const { cell } = this.#owner;
    this.#discard(outcome);
    if ("error" in outcome) {
      this.#on.breakers.of(cell).failed(outcome.kind === "connect-timeout" ? "timeout" : outcome.kind);
      throw fail(step.code, `Cell ${cell}: ${detailOf[outcome.kind]}`, { cause: outcome.error });
    }
    throw fail(step.code, `Cell ${cell} could not take the request at this moment.`);
  }

  async #relay(outcome: Outcome, from: FromCell): Promise<void> {
    const { tenant } = this.#passage;
    const { response } = outcome as Extract<Outcome, { kind: "answer" | "switched" }>;
    this.#thawed();
    this.#on.samples.count(
      this.#owner.cell,
      from.release,
      tenant.synthetic,
      response.statusCode ?? 502,
      this.#on.clock.monotonic() - this.#exchange.startedAt,
    );
    if (outcome.kind === "switched") {
      this.#on.counters.websockets += 1;
      joinSockets(this.#exchange, outcome.socket, outcome.head, from);
    } else {
      relayAnswer(this.#exchange, response, from, () => {
        this.#on.counters.answersCut += 1;
      });
    }
    await this.#exchange.finished;
  }

  /** After 421: checks the cell's word and turns to whom it names. */
  async #follow(token: string, replayable: boolean): Promise<void> {
    this.#history.words += 1;
    const { cell, epoch } = this.#owner;
    const { tenant } = this.#passage;
    const word = await this.#checkedWord(token, cell);
    if (word?.kind === "released") {
      const adopted = this.#on.owners.adopt(word.record, word.token) ?? this.#on.owners.ownerOf(this.#tenantNow());
      if (adopted === undefined || adopted.epoch <= epoch)
        throw fail("owner-unknown", "The cell names an owner that is older than the one known.");
      this.#on.counters.recordsAdopted += 1;
      this.#on.log.info({
        event: "release-record-adopted",
        tenant: tenant.slug,
        from: cell,
        to: adopted.cell,
        epoch: adopted.epoch,
      });
      this.#on.parking.thawed(tenant.id);
      this.#owner = adopted;
    } else if (word?.kind === "active" && word.epoch !== epoch) {
      this.#on.counters.epochsCorrected += 1;
      this.#owner = { ...this.#owner, epoch: word.epoch };
    } else {
      throw fail("owner-unknown", `Cell ${cell} does not own the tenant, and does not know who does.`);
    }
    if (!replayable)
      throw fail("not-replayable", "The tenant has another owner, and the request cannot be sent a second time.");
  }

  async #checkedWord(token: string, cell: CellId): Promise<Word | null> {
    try {
      return await readLeaseWord(token, cell, this.#passage.tenant.id, this.#on.trust);
    } catch (error) {
      if (!(error instanceof TokenRefused)) throw error;
      this.#on.counters.wordsRefused += 1;
      this.#on.log.warn({ event: "lease-word-refused", tenant: this.#passage.tenant.slug, cell, reason: error.reason });
      return null;
    }
  }

  /** Waits until the tenant may be thawed. @returns whether the client went away meanwhile. */
  async #park(): Promise<boolean> {
    const { tenant } = this.#passage;
    this.#parkedUntil ??= this.#on.clock.monotonic() + this.#on.parkMs;
    const place = this.#on.parking.park(tenant.id, this.#exchange.body.keptBytes, this.#parkedUntil, this.#probing);
    this.#probing = false;
    if (place === null) throw fail("tenant-frozen", "Too many requests are waiting already.");
    this.#exchange.whenGone(() => place.leave());
    const word = await place.word;
    this.#probing = word === "probe";
    if (word === "expired")
      throw fail("tenant-frozen", "The tenant's writes were paused for longer than requests are held.");
    if (word === "left") {
      if (this.#exchange.failure !== null) throw this.#exchange.failure;
      return true;
    }
    this.#owner = this.#on.owners.ownerOf(this.#tenantNow()) ?? this.#owner;
    return false;
  }

  /** The tenant's row as it is now; the document may have changed while the request was on its way. */
  #tenantNow(): TenantRow {
    return this.#on.table.tenant(this.#passage.tenant.id) ?? this.#passage.tenant;
  }

  #thawed(): void {
    if (!this.#probing) return;
    this.#probing = false;
    this.#on.parking.thawed(this.#passage.tenant.id);
  }

  #enter(cell: CellId): void {
    if (this.#entered === cell) return;
    this.#leaveCell();
    if (!this.#on.breakers.of(cell).pass()) throw fail("cell-unavailable", `Cell ${cell} did not answer lately.`);
    if (!this.#on.cellInFlight.enter(cell, this.#on.cellCap)) {
      this.#on.breakers.of(cell).gaveUp();
      throw fail("cell-busy", `Cell ${cell} has ${this.#on.cellCap} requests in flight through this router.`);
    }
    this.#entered = cell;
    this.#on.budgets.of(cell).earn();
  }

  #leaveCell(): void {
    if (this.#entered === null) return;
    this.#on.cellInFlight.leave(this.#entered);
    this.#on.breakers.of(this.#entered).gaveUp();
    this.#entered = null;
  }

  /** Lets go of an answer that nobody gets. Its connection is used again only if both sides of it are at a clean end. */
  #discard(outcome: Outcome): void {
    this.#exchange.body.detach();
    if (outcome.kind === "switched") outcome.socket.destroy();
    if (outcome.kind !== "answer") return;
    const { response, request } = outcome;
    response.on("error", () => request.destroy());
    if (!this.#exchange.body.done || !request.writableFinished) {
      request.destroy();
      return;
    }
    let left = discardBytes;
    response.on("data", (chunk: Buffer) => {
      left -= chunk.length;
      if (left < 0) request.destroy();
    });
  }
}

const detailOf = {
  refused: "no connection could be made.",
  "connect-timeout": "no connection came about in time.",
  silent: "no answer came in time.",
  broken: "the connection broke before an answer.",
} as const;

function resultOf(outcome: Outcome, from: FromCell | null): Result {
  if (!("response" in outcome)) return { kind: outcome.kind };
  return {
    kind: "answered",
    status: outcome.response.statusCode ?? 502,
    slotNamed: from?.slot ?? null,
    notExecuted: from?.notExecuted ?? null,
    hasWord: from?.leaseWord !== null,
  };
}
