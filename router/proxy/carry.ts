import type { TenantRow } from "../../common/contracts/fleet.ts";
import type { Slot } from "../../common/contracts/lease.ts";
import type { CellId } from "../../common/ids.ts";
import { fail } from "../errors.ts";
import { fieldsFromCell, headEndToCell, type FromCell } from "../guard/fields.ts";
import type { Place, Word as ParkingWord } from "../guard/parking.ts";
import type { Owner } from "../table/owners.ts";
import type { AnswerHead } from "../wire/answer-head.ts";
import type { Carriage, Passage } from "./carriage.ts";
import type { Carrier, Exchange } from "./exchange.ts";
import { checkWord, ownerBy } from "./follow.ts";
import { nextStep, type History, type Result, type Step } from "./steps.ts";
import type { Asker, Failure, Upstream } from "./upstream.ts";

const safeMethods = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * Carries a request, counted in flight for its tenant, to the tenant's owner and the answer back, following the owner's word where it is
 * another than thought. Whatever becomes of it, the exchange is answered in the end: with cell-*, tenant-frozen, owner-unknown,
 * not-replayable or answer-lost where it is not the cell that answers.
 */
export function carry(exchange: Exchange, passage: Passage, carriage: Carriage): void {
  const journey = new Journey(exchange, passage, carriage);
  exchange.carrier = journey;
  journey.begin();
}

// The tries of one request.
//   asking    a connection comes about, or the answer is waited for → relaying, following (421), parked, asking (turn, retry), over
//   following the cell's word is being checked               → asking, over (it does not help)
//   parked    in the parking lot                             → asking, over (too long)
//   relaying  the answer passes                              → over
//   over      counted out everywhere; whatever still comes is ignored
class Journey implements Asker, Carrier {
  readonly method: string;
  readonly websocket: boolean;
  readonly #exchange: Exchange;
  readonly #passage: Passage;
  readonly #on: Carriage;
  readonly #history: History = { turns: 0, refusals: 0, words: 0, retries: 0 };
  #owner: Owner | null = null;
  /** The cell whose cap and breaker this request counts under now. */
  #entered: CellId | null = null;
  /** A slot to ask instead of the live one, after a refused connection. */
  #slot: Slot | null = null;
  #slotAsked: Slot = "a";
  #upstream: Upstream | null = null;
  /** What is sent as soon as the connection is there. */
  #head = "";
  #place: Place | null = null;
  #probing = false;
  #parkedUntil: number | null = null;
  #joined = false;
  #over = false;

  constructor(exchange: Exchange, passage: Passage, carriage: Carriage) {
    this.#exchange = exchange;
    this.#passage = passage;
    this.#on = carriage;
    this.method = exchange.head.method;
    this.websocket = exchange.head.websocket;
  }

  begin(): void {
    try {
      const { tenant } = this.#passage;
      const owner = this.#on.owners.ownerOf(tenant);
      if (owner === undefined) throw fail("cell-unavailable", `The cell ${tenant.cell} is not in the fleet document.`);
      this.#owner = owner;
      this.#exchange.sendContinue();
      this.#ask(owner);
    } catch (error) {
      this.#fail(error);
    }
  }

  abandon(): void {
    this.#place?.leave();
    this.#end();
  }

  resume(): void {
    this.#upstream?.socket.resume();
  }

  connected(): void {
    if (this.#upstream !== null) this.#send(this.#upstream);
  }

  drained(): void {
    this.#exchange.body.drained();
    this.#exchange.connection.updateReading();
  }

  interim(head: AnswerHead): void {
    const { lines } = fieldsFromCell(head.fields, head.connection, false);
    this.#exchange.relayInterim(head, lines);
  }

  answered(head: AnswerHead): void {
    try {
      this.#proceed(head);
    } catch (error) {
      this.#fail(error);
    }
  }

  switched(head: AnswerHead): void {
    const from = fieldsFromCell(head.fields, head.connection, false);
    this.#on.breakers.of(this.#cell).answered();
    this.#learnSlot(from);
    this.#count(from, 101);
    this.#on.counters.websockets += 1;
    this.#joined = true;
    if (this.#upstream !== null) this.#exchange.join(this.#upstream, from);
  }

  piece(bytes: Buffer, from: number, to: number): void {
    this.#exchange.relayPiece(bytes, from, to);
  }

  flush(): void {
    if (!this.#exchange.flush()) this.#upstream?.socket.pause();
  }

  ended(trailers: string): void {
    this.#upstream = null;
    this.#end();
    this.#exchange.relayEnd(trailers);
  }

  halfClosed(): void {
    this.#exchange.connection.socket.end();
  }

  cut(): void {
    this.#upstream = null;
    this.#end();
    if (this.#joined) return this.#exchange.joinEnded();
    this.#on.counters.answersCut += 1;
    this.#exchange.cutOff();
  }

  failed(kind: Failure, error: Error): void {
    this.#upstream = null;
    this.#exchange.body.detach();
    try {
      this.#tryAgain(kind, error);
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  get #cell(): CellId {
    return this.#owner?.cell ?? this.#passage.tenant.cell;
  }

  /** One try. @throws CellplaneError cell-unavailable, cell-busy */
  #ask(owner: Owner): void {
    this.#enter(owner.cell);
    this.#slotAsked = this.#slot ?? this.#on.liveSlots.of(owner.cell);
    const { tenant, principal } = this.#passage;
    const assertion = this.#on.assertions.of(owner.cell, owner.epoch, tenant, principal);
    this.#head = this.#passage.head + headEndToCell(assertion, owner.record);
    const upstream = this.#on.pools.of(owner.addresses[this.#slotAsked].url).take(this);
    this.#upstream = upstream;
    if (!upstream.connecting) this.#send(upstream);
  }

  /** Sends the head and what has come of the body. Until now all could still go elsewhere. */
  #send(upstream: Upstream): void {
    this.#exchange.body.attach(upstream, this.#head);
    this.#exchange.connection.updateReading();
  }

  /** Does what the answer asks for. @throws CellplaneError */
  #proceed(head: AnswerHead): void {
    const { status } = head;
    const from = fieldsFromCell(head.fields, head.connection, status !== 204);
    this.#on.breakers.of(this.#cell).answered();
    this.#learnSlot(from);
    const result: Result = {
      kind: "answered",
      status,
      slotNamed: from.slot,
      notExecuted: from.notExecuted,
      hasWord: from.leaseWord !== null,
    };
    const step = this.#step(result);
    if (step.kind !== "relay") this.#letGo();
    switch (step.kind) {
      case "relay":
        this.#thawed();
        this.#count(from, status);
        return this.#exchange.relayHead(head, from);
      case "turn":
        this.#history.turns += 1;
        return this.#turn(step.slot);
      case "read-word":
        return void this.#follow(from.leaseWord ?? "", this.#exchange.body.replayable && from.notExecuted !== null);
      case "park":
        return void this.#park();
      case "fail":
        throw fail(step.code, `Cell ${this.#cell} could not take the request at this moment.`);
      case "retry":
        throw new TypeError("an answer is never asked for again");
      default:
        return step satisfies never;
    }
  }

  /** There was no answer. @throws CellplaneError */
  #tryAgain(kind: Failure, error: Error): void {
    const step = this.#step({ kind });
    if (step.kind === "turn") {
      this.#history.refusals += 1;
      return this.#turn(step.slot);
    }
    if (step.kind === "retry") {
      this.#history.retries += 1;
      if (this.#on.budgets.of(this.#cell).spend()) {
        this.#on.counters.retries += 1;
        return this.#askOwner();
      }
    }
    this.#on.breakers.of(this.#cell).failed(kind === "connect-timeout" ? "timeout" : kind);
    throw fail(step.kind === "fail" ? step.code : "answer-lost", `Cell ${this.#cell}: ${detailOf[kind]}`, {
      cause: error,
    });
  }

  #step(result: Result): Step {
    const situation = {
      slotAsked: this.#slotAsked,
      replayable: this.#exchange.body.replayable,
      safe: safeMethods.has(this.method),
    };
    return nextStep(result, this.#history, situation);
  }

  #turn(slot: Slot): void {
    this.#on.counters.slotTurns += 1;
    this.#slot = slot;
    this.#askOwner();
  }

  #askOwner(): void {
    if (this.#owner !== null) this.#ask(this.#owner);
  }

  /** A slot that is not live names the live one; a slot that names none, and was asked because another refused, is the live one. */
  #learnSlot(from: FromCell): void {
    if (from.slot !== null) this.#on.liveSlots.heard(this.#cell, from.slot);
    else if (this.#slot === this.#slotAsked && from.release !== null)
      this.#on.liveSlots.heard(this.#cell, this.#slotAsked);
    this.#slot = null;
  }

  #count(from: FromCell, status: number): void {
    const latencyMs = this.#on.clock.monotonic() - this.#exchange.startedAt;
    this.#on.samples.count(this.#cell, from.release, this.#passage.tenant.synthetic, status, latencyMs);
  }

  /** After 421: checks the cell's word and turns to whom it names. */
  async #follow(token: string, replayable: boolean): Promise<void> {
    this.#history.words += 1;
    try {
      const { tenant } = this.#passage;
      const { table } = this.#on;
      const word = await checkWord(token, this.#cell, tenant, this.#on);
      if (this.#over || this.#owner === null) return;
      this.#owner = ownerBy(word, this.#owner, table.tenant(tenant.id) ?? tenant, this.#on);
      if (!replayable)
        throw fail("not-replayable", "The tenant has another owner, and the request cannot be sent a second time.");
      this.#ask(this.#owner);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Waits until the tenant may be thawed. */
  async #park(): Promise<void> {
    const { tenant } = this.#passage;
    this.#parkedUntil ??= this.#on.clock.monotonic() + this.#on.parkMs;
    try {
      const { keptBytes } = this.#exchange.body;
      this.#place = this.#on.parking.park(tenant.id, keptBytes, this.#parkedUntil, this.#probing);
      this.#probing = false;
      if (this.#place === null) throw fail("tenant-frozen", "Too many requests are waiting already.");
      this.#goOn(await this.#place.word);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** @throws CellplaneError tenant-frozen, and what a try throws */
  #goOn(word: ParkingWord): void {
    this.#place = null;
    if (this.#over) {
      // Told to probe in the moment in which the client went away: the next in line is.
      if (word === "probe") this.#on.parking.thawed(this.#passage.tenant.id);
      return;
    }
    this.#probing = word === "probe";
    if (word === "expired")
      throw fail("tenant-frozen", "The tenant's writes were paused for longer than requests are held.");
    this.#owner = this.#on.owners.ownerOf(this.#tenantNow()) ?? this.#owner;
    this.#askOwner();
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

  /** @throws CellplaneError cell-unavailable, cell-busy */
  #enter(cell: CellId): void {
    if (this.#entered === cell) return;
    this.#leaveCell();
    const breaker = this.#on.breakers.of(cell);
    if (!breaker.pass()) throw fail("cell-unavailable", `Cell ${cell} did not answer lately.`);
    if (!this.#on.cellInFlight.enter(cell, this.#on.cellCap)) {
      breaker.gaveUp();
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
  #letGo(): void {
    this.#exchange.body.detach();
    this.#upstream?.discard();
    this.#upstream = null;
  }

  /** The request cannot be carried to an answer. What its cell did not answer counts against the cell, under no release. */
  #fail(thrown: unknown): void {
    if (this.#over) return;
    const status = (thrown as { status?: number }).status ?? 500;
    if (status >= 500) {
      const { tenant } = this.#passage;
      const cell = this.#on.owners.ownerOf(tenant)?.cell ?? tenant.cell;
      const latencyMs = this.#on.clock.monotonic() - this.#exchange.startedAt;
      this.#on.samples.count(cell, null, tenant.synthetic, status, latencyMs);
    }
    this.#end();
    this.#exchange.fail(thrown);
  }

  /** Counts the request out, once, and leaves nothing behind. */
  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#thawed();
    this.#leaveCell();
    this.#on.tenantInFlight.leave(this.#passage.tenant.id);
    this.#upstream?.destroy();
    this.#upstream = null;
  }
}

const detailOf = {
  refused: "no connection could be made.",
  "connect-timeout": "no connection came about in time.",
  silent: "no answer came in time.",
  broken: "the connection broke before an answer.",
} as const;
