import { Agent } from "undici";
import Type from "typebox";
import Value from "typebox/value";
import { CellStatus, type SwitchSlot } from "../../../common/contracts/cell-admin.ts";
import { Problem } from "../../../common/contracts/problem.ts";
import { NoAnswer, exchange, parseJson, type Answer } from "../../../common/http/exchange.ts";
import type { CellId } from "../../../common/ids.ts";
import { driverError } from "../errors.ts";

const statusTimeoutMs = 2_000;
/** A switch waits for a row's lock at most. */
const switchTimeoutMs = 10_000;
const answerLimit = 256 * 1024;

const Readiness = Type.Object({ ready: Type.Boolean(), problems: Type.Array(Type.String()) });

/** What one process of a cell says of itself. */
export type ProcessWord =
  | { readonly kind: "status"; readonly status: CellStatus }
  /** It answers, but does not know us: a new cell, to whom nobody has told yet whom to trust. */
  | { readonly kind: "readiness"; readonly ready: boolean; readonly problems: readonly string[] }
  | { readonly kind: "silent" };

/** The admin API of cells (common/contracts/cell-admin.ts), as far as a driver needs it. */
export class CellAdmin {
  readonly #token: (cell: CellId) => Promise<string>;
  // No connection is kept: a process that is about to end would otherwise wait for us.
  readonly #agent = new Agent({ pipelining: 0, connect: { timeout: statusTimeoutMs } });

  constructor(token: (cell: CellId) => Promise<string>) {
    this.#token = token;
  }

  /** Never throws; a process that is away is silent. */
  async ask(cell: CellId, adminUrl: string): Promise<ProcessWord> {
    try {
      const answer = await this.#call(cell, "GET", `${adminUrl}/v1/status`, statusTimeoutMs);
      const status = parseJson(answer.text);
      if (answer.status === 200 && Value.Check(CellStatus, status)) return { kind: "status", status };
      const ready = parseJson((await this.#call(cell, "GET", `${adminUrl}/readyz`, statusTimeoutMs)).text);
      return Value.Check(Readiness, ready) ? { kind: "readiness", ...ready } : { kind: "silent" };
    } catch (error) {
      if (error instanceof NoAnswer) return { kind: "silent" };
      throw error;
    }
  }

  /** @throws cell-refused, claim-outranked */
  async switchSlot(cell: CellId, adminUrl: string, turn: SwitchSlot): Promise<void> {
    const { to } = turn;
    let answer: Answer;
    try {
      answer = await this.#call(cell, "POST", `${adminUrl}/v1/slot`, switchTimeoutMs, JSON.stringify(turn));
    } catch (cause) {
      throw driverError("cell-refused", `Slot ${to} of ${cell} gave no answer to the switch.`, { cause });
    }
    if (answer.status === 200) return;
    const problem = parseJson(answer.text);
    if (Value.Check(Problem, problem) && problem.code === "claim-outranked")
      throw driverError("claim-outranked", problem.detail);
    const detail = Value.Check(Problem, problem) ? `${problem.code}: ${problem.detail}` : `status ${answer.status}`;
    throw driverError("cell-refused", `${cell} refused the switch to slot ${to}: ${detail}`);
  }

  async #call(cell: CellId, method: "GET" | "POST", url: string, timeoutMs: number, body?: string): Promise<Answer> {
    const headers = {
      authorization: `Bearer ${await this.#token(cell)}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    };
    return exchange(this.#agent, {
      url,
      method,
      headers,
      timeoutMs,
      answerLimit,
      ...(body === undefined ? {} : { body }),
    });
  }
}
