import type { Dispatcher } from "undici";
import type { Static, TSchema } from "typebox";
import Value from "typebox/value";
import { commandTokens } from "../../common/command-tokens.ts";
import type { Clock } from "../../common/clock.ts";
import { type Answer, exchange, type Exchange, NoAnswer, parseJson } from "../../common/http/exchange.ts";
import type { PartId } from "../../common/ids.ts";
import type { SigningKey } from "../../common/keys.ts";
import { traceHeaders } from "../../common/telemetry.ts";
import { workflowError } from "../errors.ts";

/** Who the worker is towards other parts. */
export interface Identity {
  readonly part: PartId;
  readonly key: SigningKey;
}

export interface PartClientOptions {
  readonly identity: Identity;
  readonly clock: Clock;
  readonly dispatcher: Dispatcher;
  /** How long one call may take in all, in milliseconds. */
  readonly timeoutMs: number;
}

/** Calls admin APIs of routers and cells, as the workflow worker. */
export interface PartClient {
  /**
   * GET of a document.
   * @param audience part id of who is called; a token for another is refused there.
   * @throws part-unreachable without an answer in time, part-refused for any answer but 200 with a document of that schema.
   */
  get<Schema extends TSchema>(url: string, audience: string, schema: Schema): Promise<Static<Schema>>;
}

// Samples of many cells are the largest document here, some hundred kilobytes.
export const answerLimit = 8 * 1_048_576;

export function createPartClient(options: PartClientOptions): PartClient {
  const tokenFor = commandTokens(options.identity.part, options.identity.key, options.clock);
  return {
    async get(url, audience, schema) {
      const headers = { ...traceHeaders(), authorization: `Bearer ${await tokenFor(audience)}` };
      const answer = await reach(options.dispatcher, {
        url,
        method: "GET",
        headers,
        timeoutMs: options.timeoutMs,
        answerLimit,
      });
      const path = new URL(url).pathname;
      if (answer.status !== 200)
        throw workflowError("part-refused", `${audience} answered ${answer.status} at ${path}.`);
      const document = parseJson(answer.text);
      if (!Value.Check(schema, document))
        throw workflowError("part-refused", `${audience} answered no valid document at ${path}.`);
      return document;
    },
  };
}

/** An exchange whose failure is one of this part's errors. */
export async function reach(dispatcher: Dispatcher, request: Exchange): Promise<Answer> {
  try {
    return await exchange(dispatcher, request);
  } catch (error) {
    if (error instanceof NoAnswer) throw workflowError("part-unreachable", `${error.message}.`, { cause: error });
    throw error;
  }
}
