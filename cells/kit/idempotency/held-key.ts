import { isDeepStrictEqual } from "node:util";
import { cellError } from "../errors.ts";
import type { Transaction } from "../tenant.store.ts";
import { recordStep, type Steps } from "./keys.store.ts";

/** Larger results of a transaction are not kept; a handler's result is what its answer is made from, and answers are small. */
const largestResult = 65_536;
/** Write transactions of one request under a key: each rewrites the key's row, and a request with more wants to be a job. */
const mostSteps = 100;

type Work<Result> = (tx: Transaction) => Promise<Result>;

/**
 * A key that this request works under. Each write transaction of the request is a step: its result is written into the key's row by the transaction
 * itself, so that both are there or neither. A request that comes again after a crash gets the results of the steps that had committed, without running
 * them, and goes on from there.
 */
export class HeldKey {
  readonly key: string;
  readonly holder: string;
  readonly #steps: Steps;
  #next = 0;

  constructor(key: string, holder: string, steps: Steps) {
    this.key = key;
    this.holder = holder;
    this.#steps = steps;
  }

  /**
   * Runs the next step, or gives the result that it had when it committed before.
   * @param commit runs a write transaction.
   * @param repeated told when the result is one of before.
   * @throws idempotency-answer-lost where that result could not be kept, idempotency-key-in-progress where another request took the key over.
   */
  async step<Result>(
    work: Work<Result>,
    commit: (work: Work<Result>) => Promise<Result>,
    repeated: () => void,
  ): Promise<Result> {
    const number = this.#next++;
    if (number >= mostSteps) throw new TypeError(`a request with an idempotency key may write ${mostSteps} times`);
    const known = this.#steps[String(number)];
    if (known !== undefined) {
      repeated();
      if (known === null)
        throw cellError("idempotency-answer-lost", "It was carried out before, but what it answered was not kept.");
      return (known === "" ? undefined : JSON.parse(known)) as Result;
    }
    return commit(async (tx) => {
      const result = await work(tx);
      if (!(await recordStep(tx, this.key, this.holder, { number, result: textOf(result) })))
        throw cellError(
          "idempotency-key-in-progress",
          "Another request took the key over, because this one was slow.",
          {
            extra: { retryAfterSeconds: 1 },
          },
        );
      return result;
    });
  }
}

/** JSON from which the very same value can be made again; empty for undefined, null where there is none. */
function textOf(result: unknown): string | null {
  if (result === undefined) return "";
  const text = jsonOf(result);
  if (text === undefined || text.length > largestResult) return null;
  // A Date would come back as text, and a row with undefined in it without the member.
  return isDeepStrictEqual(JSON.parse(text), result) ? text : null;
}

function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (error) {
    // A bigint, or a cycle.
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
