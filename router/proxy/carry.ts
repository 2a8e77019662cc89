import type { TenantRow } from "../../common/contracts/fleet.ts";
import type { Slot } from "../../common/contracts/lease.ts";
import type { CellId } from "../../common/ids.ts";
import type { Series } from "../admin/samples.ts";
import { fail } from "../errors.ts";
import { endOfHead, headToCell, wordsOfCell, type FromCell } from "../guard/fields.ts";
import type { Word as ParkingWord } from "../guard/parking.ts";
import type { Visitor } from "../guard/visitors.ts";
import type { Owner } from "../table/owners.ts";
import type { AnswerHead } from "../wire/answer-head.ts";
import type { Carriage } from "./carriage.ts";
import { strangerOf, type Elsewhere } from "./elsewhere.ts";
import type { Carrier, Exchange } from "./exchange.ts";
import { checkWord, ownerBy } from "./follow.ts";
import { toCells } from "./gathers.ts";
import { ParkedRequest } from "./parked.ts";
import { isForClient, nextStep, safeMethods, type History, type Result, type Step } from "./steps.ts";
import { failureDetails, type Asker, type Failure, type Upstream } from "./upstream.ts";
import type { Way } from "./ways.ts";

/**
 * Carries a request, counted in flight for its tenant, to the tenant's owner and the answer back, following the owner's word where it is
 * another than thought. Whatever becomes of it, the exchange is answered in the end: with cell-*, tenant-frozen, owner-unknown,
 * not-replayable or answer-lost where it is not the cell that answers.
 */
export function carry(exchange: Exchange, visitor: Visitor, elsewhere: Elsewhere | null, carriage: Carriage): void {
  const journey = new Journey(exchange, visitor, elsewhere, carriage);
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
  readonly #visitor: Visitor;
  readonly #on: Carriage;
  readonly #history: History = { turns: 0, refusals: 0, words: 0, retries: 0 };
  #owner: Owner | null = null;
  /** The cell that is asked instead of the owner; null as soon as it is the owner. */
  #elsewhere: Elsewhere | null;
  /** The way to the owner; where it is `#entered`, its cap and breaker count this request. */
  #way: Way | null = null;
  #entered = false;
  /** A slot to ask instead of the live one, after a refused connection. */
  #slot: Slot | null = null;
  #slotAsked: Slot = "a";
  #upstream: Upstream | null = null;
  #parked: ParkedRequest | null = null;
  #joined = false;
  #over = false;
  /** Where the answer counts. */
  #series: Series | null = null;

  constructor(exchange: Exchange, visitor: Visitor, elsewhere: Elsewhere | null, carriage: Carriage) {
    this.#exchange = exchange;
    this.#visitor = visitor;
    this.#elsewhere = elsewhere;
    this.#on = carriage;
    this.method = exchange.method;
    this.websocket = exchange.head.websocket;
  }

  begin(): void {
    try {
      const { tenant } = this.#visitor;
      this.#owner = this.#elsewhere === null ? this.#ownerNow(tenant) : strangerOf(this.#elsewhere, tenant);
      this.#exchange.sendContinue();
      this.#ask(this.#owner);
    } catch (error) {
      this.#fail(error);
    }
  }

  abandon(): void {
    this.#parked?.leave();
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
    this.#exchange.relayInterim(head);
  }

  answered(head: AnswerHead): void {
    try {
      this.#proceed(head);
    } catch (error) {
      this.#fail(error);
    }
  }

  switched(head: AnswerHead): void {
    const from = wordsOfCell(head);
    this.#way?.breaker.answered();
    this.#learnSlot(from);
    this.#series = this.#count(this.#cell, from.release, 101);
    this.#on.counters.websockets += 1;
    this.#joined = true;
    if (this.#upstream !== null) this.#exchange.join(this.#upstream, head);
  }

  piece(bytes: Buffer, from: number, to: number): void {
    if (this.#series !== null) this.#series.bytesOut += to - from;
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
    return this.#owner?.cell ?? this.#visitor.tenant.cell;
  }

  /** One try. @throws CellplaneError cell-unavailable, cell-busy */
  #ask(owner: Owner): void {
    const way = this.#enter(owner.cell);
    this.#slotAsked = this.#slot ?? this.#on.liveSlots.of(owner.cell);
    const upstream = way.pool(this.#slotAsked, owner.addresses[this.#slotAsked].url).take(this);
    this.#upstream = upstream;
    if (!upstream.connecting) this.#send(upstream);
  }

  /** Sends the head and what has come of the body. Until now all could still go elsewhere. */
  #send(upstream: Upstream): void {
    const { head, ids, body, connection } = this.#exchange;
    const visitor = this.#visitor;
    toCells.clear();
    headToCell(head, ids, connection, visitor.principal !== "anonymous", toCells);
    if (this.#owner !== null) this.#on.assertions.put(visitor, this.#owner, this.#elsewhere?.kept ?? null, toCells);
    endOfHead(this.#owner?.record, toCells);
    body.attach(upstream, toCells);
    connection.updateReading();
  }

  /** Does what the answer asks for. @throws CellplaneError */
  #proceed(head: AnswerHead): void {
    const { status } = head;
    const from = wordsOfCell(head);
    const now = this.#on.clock.monotonic();
    this.#way?.breaker.answered(now);
    this.#learnSlot(from);
    if (isForClient(status, from.notExecuted)) return this.#relay(head, from, now);
    const result: Result = {
      kind: "answered",
      status,
      slotNamed: from.slot,
      notExecuted: from.notExecuted,
      hasWord: from.leaseWord !== null,
    };
    const step = this.#step(result);
    if (step.kind !== "relay") this.#letGo();
    if (this.#elsewhere !== null && status === 421) return this.#comeHome(this.#elsewhere);
    switch (step.kind) {
      case "relay":
        return this.#relay(head, from, now);
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

  #relay(head: AnswerHead, from: FromCell, now: number): void {
    this.#parked?.thawed();
    this.#series = this.#count(this.#cell, from.release, head.status, now);
    if (from.eventStream) this.#upstream?.endless();
    if (from.stateless !== null && this.#elsewhere === null) this.#on.statelessRoutes.learn(this.#cell, from.stateless);
    this.#exchange.relayHead(head, from);
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
      if (this.#on.ways.to(this.#cell).budget.spend()) {
        this.#on.counters.retries += 1;
        return this.#askOwner();
      }
    }
    this.#on.ways.to(this.#cell).breaker.failed(kind === "connect-timeout" ? "timeout" : kind);
    // Nothing was sent, and the owner may well be there.
    if (this.#elsewhere !== null && (kind === "refused" || kind === "connect-timeout")) return this.#goHome();
    throw fail(step.kind === "fail" ? step.code : "answer-lost", `Cell ${this.#cell}: ${failureDetails[kind]}`, {
      cause: error,
    });
  }

  #step(result: Result): Step {
    const { replayable } = this.#exchange.body;
    const situation = { slotAsked: this.#slotAsked, replayable, safe: safeMethods.has(this.method) };
    return nextStep(result, this.#history, situation);
  }

  /** The cell needed the tenant after all: its route is not what it seemed. @throws CellplaneError */
  #comeHome({ pattern }: Elsewhere): void {
    this.#on.statelessRoutes.forget(this.#visitor.tenant.cell, pattern);
    if (!this.#exchange.body.replayable) throw fail("not-replayable", "The request cannot be sent a second time.");
    this.#goHome();
  }

  #goHome(): void {
    this.#elsewhere = null;
    this.#slot = null;
    this.#owner = this.#ownerNow(this.#tenantNow());
    this.#ask(this.#owner);
  }

  /** @throws CellplaneError cell-unavailable */
  #ownerNow(tenant: TenantRow): Owner {
    const { owner: known, tenant: row } = this.#visitor;
    if (known !== null && tenant === row && this.#on.owners.adopted === 0) return known;
    const owner = this.#on.owners.ownerOf(tenant);
    if (owner === undefined) throw fail("cell-unavailable", `The cell ${tenant.cell} is not in the fleet document.`);
    return owner;
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

  #count(cell: CellId, release: string | null, status: number, now = this.#on.clock.monotonic()): Series {
    const latencyMs = now - this.#exchange.startedAt;
    return this.#on.samples.count(cell, release, this.#visitor, status, latencyMs);
  }

  /** After 421: checks the cell's word and turns to whom it names. */
  async #follow(token: string, replayable: boolean): Promise<void> {
    this.#history.words += 1;
    try {
      const { tenant } = this.#visitor;
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
    this.#parked ??= new ParkedRequest(this.#on, this.#visitor.tenant.id);
    try {
      this.#goOn(await this.#parked.wait(this.#exchange.body.keptBytes));
    } catch (error) {
      this.#fail(error);
    }
  }

  /** @throws CellplaneError tenant-frozen, and what a try throws */
  #goOn(word: ParkingWord): void {
    // Told to probe in the moment in which the client went away: the next in line is.
    if (this.#over) return this.#parked?.thawed();
    if (word === "expired")
      throw fail("tenant-frozen", "The tenant's writes were paused for longer than requests are held.");
    this.#owner = this.#on.owners.ownerOf(this.#tenantNow()) ?? this.#owner;
    this.#askOwner();
  }

  /** The tenant's row as it is now; the document may have changed while the request was on its way. */
  #tenantNow(): TenantRow {
    return this.#on.table.tenant(this.#visitor.tenant.id) ?? this.#visitor.tenant;
  }

  /** @throws CellplaneError cell-unavailable, cell-busy */
  #enter(cell: CellId): Way {
    const way = this.#on.ways.to(cell);
    if (this.#entered && this.#way === way) return way;
    this.#leaveCell();
    if (!way.breaker.pass()) throw fail("cell-unavailable", `Cell ${cell} did not answer lately.`);
    if (!this.#on.cellInFlight.enter(way.load, this.#on.cellCap)) {
      way.breaker.gaveUp();
      throw fail("cell-busy", `Cell ${cell} has ${this.#on.cellCap} requests in flight through this router.`);
    }
    this.#way = way;
    this.#entered = true;
    way.budget.earn();
    return way;
  }

  #leaveCell(): void {
    if (!this.#entered || this.#way === null) return;
    this.#entered = false;
    this.#on.cellInFlight.leave(this.#way.load);
    this.#way.breaker.gaveUp();
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
      const { tenant } = this.#visitor;
      this.#count(this.#on.owners.ownerOf(tenant)?.cell ?? tenant.cell, null, status);
    }
    this.#end();
    this.#exchange.fail(thrown);
  }

  /** Counts the request out, once, and leaves nothing behind. */
  #end(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#series !== null) this.#series.bytesIn += this.#exchange.body.receivedBytes;
    this.#parked?.thawed();
    this.#leaveCell();
    this.#on.tenantInFlight.leave(this.#visitor.load);
    this.#upstream?.destroy();
    this.#upstream = null;
  }
}
