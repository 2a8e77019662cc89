import { Agent } from "undici";
import { commandTokens } from "../../common/command-tokens.ts";
import type { Clock } from "../../common/clock.ts";
import { exchange, parseJson } from "../../common/http/exchange.ts";
import type { SigningKey } from "../../common/keys.ts";
import type { AddressPolicy } from "../../common/net/address-policy.ts";

/** Statuses and query answers stay far below; what is longer is not what was asked for. */
const answerLimit = 16 * 1_048_576;

export interface PartAnswer {
  readonly status: number;
  /** The JSON of the answer, undefined where it is none. Nobody has checked it. */
  readonly body: unknown;
}

export interface PartCall {
  readonly url: string;
  /** Part id of who is called; null where no token is wanted. */
  readonly audience: string | null;
  readonly method?: "GET" | "POST" | "PUT";
  readonly body?: unknown;
  readonly timeoutMs: number;
}

/** Calls the admin APIs of other parts, as the control plane. */
export interface PartClient {
  /** @throws NoAnswer where there is no whole answer in time. */
  call(request: PartCall): Promise<PartAnswer>;
  close(): Promise<void>;
}

/** @param policy where it may connect to: addresses of parts are told by whoever registered them. Redirects are not followed. */
export function createPartClient(part: string, key: SigningKey, clock: Clock, policy: AddressPolicy): PartClient {
  const tokenFor = commandTokens(part, key, clock);
  const dispatcher = new Agent({ connections: 8, pipelining: 1, connect: { timeout: 1_000, lookup: policy.lookup } });
  return {
    async call({ url, audience, method = "GET", body, timeoutMs }) {
      const headers: Record<string, string> =
        audience === null ? {} : { authorization: `Bearer ${await tokenFor(audience)}` };
      if (body !== undefined) headers["content-type"] = "application/json";
      const content = body === undefined ? {} : { body: JSON.stringify(body) };
      const answer = await exchange(dispatcher, { url, method, headers, timeoutMs, answerLimit, ...content });
      return { status: answer.status, body: parseJson(answer.text) };
    },
    async close() {
      await dispatcher.destroy();
    },
  };
}
