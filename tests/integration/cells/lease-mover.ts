import { abortImport, beginImport, makeReady, type StepOutcome } from "../../../cells/kit/lease-import.store.ts";
import { freezeLease, releaseLease, takeAttempt } from "../../../cells/kit/lease-owner.store.ts";
import { CellplaneError } from "../../../common/errors.ts";
import { uuidv7 } from "../../../common/uuid.ts";
import { patiently, unlessBusy, type LeaseWorld, type Operation } from "./lease-world.ts";

// One try of a move, as the design's model has it. It may stand still for ever (dead), or go on long after a later try began (a zombie).
//   take → import → look → copy → freeze → reopen → look again → drain → ready → release → activate → over
//   release finds the tenant thawed   → freeze
//   release done before it began      → activate
//   any step refused                  → over
type Place =
  | "take"
  | "import"
  | "look"
  | "copy"
  | "freeze"
  | "reopen"
  | "look-again"
  | "drain"
  | "ready"
  | "release"
  | "activate"
  | "over";

export class LeaseMover {
  readonly #world: LeaseWorld;
  readonly #operation: Operation;
  #place: Place = "take";
  #attempt = 0;
  #epoch = 0;
  #seen: string[] = [];
  #freeze = "";
  /** The freeze under which this try had made the destination ready before. */
  #readyUnder: string | null = null;
  #record = "";

  constructor(world: LeaseWorld, operation: Operation) {
    this.#world = world;
    this.#operation = operation;
  }

  get over(): boolean {
    return this.#place === "over";
  }

  /** The destination has said that it is ready, and the source has not given the tenant away. */
  get ready(): boolean {
    return this.#place === "release";
  }

  get destination(): Operation["destination"] {
    return this.#operation.destination;
  }

  /**
   * A mover with a fault: its freeze ended and a write came between, and it releases under another freeze than that under which the destination was ready. The
   * record must not make the destination the owner; only after what was missing has come, and the destination is ready under the new freeze.
   */
  async releaseTooEarly(): Promise<void> {
    const { id, tenant, source, destination } = this.#operation;
    if (!this.ready || !source.serves || !destination.serves) return;
    await this.#world.passDeadlines(source, true);
    await this.#world.write(source, tenant, null);
    const step = { operation: id, attempt: this.#attempt };
    const frozen = await unlessBusy(() => freezeLease(source.system, tenant, step, uuidv7()));
    if (frozen?.kind !== "done") return;
    const drained = this.#freeze;
    this.#freeze = frozen.lease.freeze ?? "";
    if ((await patiently(() => this.#release())) !== "activate") return;
    await this.#world.bring(destination, -1);
    await this.#world.check(tenant);
    await patiently(() => this.#import(drained));
    await destination.copyIn(tenant, step, (await source.look()).notes(tenant));
    await patiently(() => makeReady(destination.system, tenant, { ...step, freeze: this.#freeze }));
    await this.#world.bring(destination, -1);
    this.#operation.open = false;
    this.#place = "over";
  }

  /** @param answerLost the step is done, but the mover never hears of it and says it again the next time. */
  async step(answerLost: boolean): Promise<void> {
    const { source, destination } = this.#operation;
    const ownersStep = ["take", "look", "freeze", "look-again", "release"].includes(this.#place);
    if (!(ownersStep ? source : destination).serves) return;
    const place = this.#place;
    const next = await unlessBusy(() => this.#do(place)).catch((error: unknown) => {
      if (error instanceof CellplaneError && error.code === "record-refused") return "over" as const;
      throw error;
    });
    if (next !== undefined && !answerLost) this.#place = next;
    if (this.#place === "over" && place === "activate") this.#operation.open = false;
  }

  /** Gives the move up, as a try of its own: the next attempt first, then the import's end; if it was given away already, it goes forward. */
  async abort(): Promise<void> {
    const { id, tenant, source, destination } = this.#operation;
    if (!source.serves || !destination.serves) return;
    const taken = await unlessBusy(() => takeAttempt(source.system, tenant, id));
    if (taken === undefined || taken.kind !== "done" || taken.lease.state === "released") return;
    const { attempt } = taken.lease;
    const aborted = await unlessBusy(() => abortImport(destination.system, tenant, { operation: id, attempt }));
    if (aborted === undefined) return;
    this.#operation.open = false;
    this.#place = "over";
  }

  async #do(place: Place): Promise<Place> {
    const { id, tenant, source, destination } = this.#operation;
    const step = { operation: id, attempt: this.#attempt };
    switch (place) {
      case "take": {
        const taken = await takeAttempt(source.system, tenant, id);
        if (taken.kind !== "done") {
          this.#operation.open = false;
          return "over";
        }
        if (taken.lease.state === "released") {
          this.#record = taken.lease.releaseRecord ?? "";
          return "activate";
        }
        this.#attempt = taken.lease.attempt;
        this.#epoch = taken.lease.epoch + 1;
        return "import";
      }
      case "import":
        return this.#after(await this.#import(), "look");
      case "look":
      case "look-again":
        this.#seen = (await source.look()).notes(tenant);
        return place === "look" ? "copy" : "drain";
      case "copy":
        return (await destination.copyIn(tenant, step, this.#seen)) ? "freeze" : "over";
      case "freeze": {
        const frozen = await freezeLease(source.system, tenant, step, uuidv7());
        if (frozen.kind === "done") this.#freeze = frozen.lease.freeze ?? "";
        return this.#after(frozen, this.#readyUnder === null ? "look-again" : "reopen");
      }
      case "reopen":
        return this.#after(await this.#import(this.#readyUnder), "look-again");
      case "drain":
        return (await destination.copyIn(tenant, step, this.#seen)) ? "ready" : "over";
      case "ready": {
        const ready = await makeReady(destination.system, tenant, { ...step, freeze: this.#freeze });
        this.#readyUnder = this.#freeze;
        return this.#after(ready, "release");
      }
      case "release":
        return this.#release();
      case "activate":
        await destination.activator.bring(this.#record, tenant);
        return "over";
      case "over":
        return "over";
      default:
        return place satisfies never;
    }
  }

  #import(reopen: string | null = null): Promise<StepOutcome> {
    const { id, tenant, source, destination } = this.#operation;
    const labels = { slug: "t", tier: "pro", synthetic: false };
    const step = { operation: id, attempt: this.#attempt, epoch: this.#epoch, source: source.id, ...labels };
    return beginImport(destination.system, tenant, { ...step, ...(reopen === null ? {} : { reopen }) });
  }

  async #release(): Promise<Place> {
    const { id: operation, tenant, source, destination } = this.#operation;
    const step = { operation, attempt: this.#attempt, freeze: this.#freeze };
    const claims = { tenant, epoch: this.#epoch, destination: destination.id, operation, freeze: this.#freeze };
    const released = await releaseLease(source.system, tenant, step, this.#epoch - 1, await source.sign(claims));
    if (released.kind === "outranked") return "over";
    if (released.kind === "moved-on") return released.lease?.state === "active" ? "freeze" : "over";
    this.#record = released.lease.releaseRecord ?? "";
    this.#world.records.push({ tenant, token: this.#record });
    return "activate";
  }

  #after(outcome: StepOutcome, next: Place): Place {
    return outcome.kind === "done" ? next : "over";
  }
}
