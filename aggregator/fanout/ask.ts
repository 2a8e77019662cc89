import type { Dispatcher } from "undici";
import Value from "typebox/value";
import type { Clock } from "../../common/clock.ts";
import { AggregateAnswer } from "../../common/contracts/cell-admin.ts";
import type { CellRow } from "../../common/contracts/fleet.ts";
import { deadlineHeader } from "../../common/contracts/headers.ts";
import { type Slot, slots } from "../../common/contracts/lease.ts";
import { Problem } from "../../common/contracts/problem.ts";
import { exchange, NoAnswer, parseJson } from "../../common/http/exchange.ts";
import type { CellId } from "../../common/ids.ts";
import type { Logger } from "../../common/log.ts";
import { spansOf, traceHeaders } from "../../common/telemetry.ts";
import { Breaker } from "./breaker.ts";
import { Gate } from "./gate.ts";

const inSpan = spansOf("aggregator");

export interface AskOptions {
  readonly dispatcher: Dispatcher;
  /** A command token for an audience. */
  readonly tokenFor: (audience: string) => Promise<string>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A cell's own word that its release has no such aggregate. It did answer. */
export const unknownAggregate = Symbol("unknown aggregate");
export type CellAnswer = AggregateAnswer | typeof unknownAggregate;

/** Asks cells directly, all at once, within bounds. */
export interface CellAsker {
  /** @returns each cell's answer; null where none came in time. Takes at most two seconds. */
  ask(cells: readonly CellRow[], path: string): Promise<ReadonlyMap<CellId, CellAnswer | null>>;
  /** Cells that are left alone for now, because they did not answer. */
  leftAlone(): readonly CellId[];
}

const allMs = 2_000;
const cellMs = 1_500;
/** A call that has less time left than this is not made: the cell could only waste its work. */
const leastMs = 50;
/** Calls at once over all questions, so that a fleet of hundreds of cells and many questions do not exhaust sockets. */
const callsAtOnce = 64;
// Ten thousand tenants, each with a sketch of some five kilobytes.
const answerLimit = 64 * 1_048_576;

export function createCellAsker(options: AskOptions): CellAsker {
  const gate = new Gate(callsAtOnce);
  const breakers = new Map<CellId, Breaker>();

  async function askCell(cell: CellRow, path: string, deadline: number): Promise<CellAnswer | null> {
    const breaker = breakers.get(cell.id) ?? new Breaker();
    breakers.set(cell.id, breaker);
    return await gate.run(async () => {
      if (deadline - options.clock.monotonic() < leastMs || !breaker.admit(options.clock.monotonic())) return null;
      const ends = Math.min(deadline, options.clock.monotonic() + cellMs);
      const answer = await inSpan("ask-cell", { cell: cell.id }, () => askSlots(cell, path, ends));
      breaker.report(answer !== null, options.clock.monotonic());
      return answer;
    });
  }

  /** The slot called live first; where nobody answers at it, the other one reads the same database. */
  async function askSlots(cell: CellRow, path: string, ends: number): Promise<CellAnswer | null> {
    const order: readonly Slot[] = slots.toSorted((slot) => (slot === cell.liveSlot ? -1 : 1));
    for (const slot of order) {
      const leftMs = Math.floor(ends - options.clock.monotonic());
      if (leftMs < leastMs) return null;
      const answer = await askSlot(cell, slot, path, leftMs);
      if (answer !== null) return answer;
    }
    return null;
  }

  async function askSlot(cell: CellRow, slot: Slot, path: string, leftMs: number): Promise<CellAnswer | null> {
    const headers = {
      ...traceHeaders(),
      authorization: `Bearer ${await options.tokenFor(cell.id)}`,
      [deadlineHeader]: String(leftMs),
    };
    const url = `${cell.slots[slot].adminUrl}${path}`;
    try {
      const { status, text } = await exchange(options.dispatcher, {
        url,
        method: "GET",
        headers,
        timeoutMs: leftMs,
        answerLimit,
      });
      const answer = parseJson(text);
      if (status === 200 && Value.Check(AggregateAnswer, answer) && answer.cell === cell.id) return answer;
      if (status === 404 && Value.Check(Problem, answer) && answer.code === "unknown-aggregate")
        return unknownAggregate;
      options.log.warn({ event: "cell-answer-refused", cell: cell.id, slot, status });
      return null;
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      options.log.debug({ event: "cell-not-heard", cell: cell.id, slot, err: error });
      return null;
    }
  }

  return {
    async ask(cells, path) {
      const deadline = options.clock.monotonic() + allMs;
      const answers = await Promise.all(
        cells.map(async (cell) => [cell.id, await askCell(cell, path, deadline)] as const),
      );
      return new Map(answers);
    },
    leftAlone: () => [...breakers].flatMap(([cell, breaker]) => (breaker.isClosed ? [] : [cell])),
  };
}
