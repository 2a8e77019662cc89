import { isIP } from "node:net";
import { Agent } from "undici";
import type { Clock } from "../../common/clock.ts";
import type { WebhookAnswer } from "../../common/contracts/webhooks.ts";
import type { AddressPolicy } from "../../common/net/address-policy.ts";
import { signedHeaders } from "./signature.ts";
import type { Endpoint, Message } from "./webhooks.store.ts";

/** A receiver that takes longer should take the message first, and work then. */
const timeoutMs = 10_000;
/** Of an answer nothing but its status is read; more than this is not waited for. */
const answerLimitBytes = 16_384;

/** Sends messages to receivers outside of the fleet. */
export interface WebhookClient {
  /** One try. It never throws for what a receiver does, or does not. */
  send(endpoint: Endpoint, message: Pick<Message, "id" | "body">): Promise<WebhookAnswer>;
  close(): Promise<void>;
}

/**
 * @param policy where it may connect to. It is asked again with every connection, for the very address that is then used; redirects are not followed, because
 * they would lead elsewhere than was checked.
 */
export function createWebhookClient(clock: Clock, policy: AddressPolicy): WebhookClient {
  const dispatcher = new Agent({ connections: 4, connect: { timeout: 3_000, lookup: policy.lookup } });
  return {
    async send({ url, secret }, message) {
      const { origin, pathname, search, hostname } = new URL(url);
      const literal = hostname.replace(/^\[|\]$/g, "");
      // A name is checked where it is resolved; an address is not.
      if (isIP(literal) !== 0 && !policy.allows(literal)) return { status: null, error: "its address is forbidden" };
      try {
        const { statusCode, body } = await dispatcher.request({
          origin,
          path: `${pathname}${search}`,
          method: "POST",
          headers: {
            "content-type": "application/json",
            "user-agent": "cellplane-webhooks/1",
            ...signedHeaders(secret, message, clock.now()),
          },
          body: message.body,
          signal: AbortSignal.timeout(timeoutMs),
        });
        await body.dump({ limit: answerLimitBytes });
        return { status: statusCode, error: refusalOf(statusCode) };
      } catch (error) {
        return { status: null, error: troubleOf(error) };
      }
    },
    async close() {
      await dispatcher.destroy();
    },
  };
}

function refusalOf(status: number): string | null {
  if (status >= 200 && status < 300) return null;
  return status >= 300 && status < 400 ? `answered ${status}: redirects are not followed` : `answered ${status}`;
}

/** A word that says what happened, without the URL, which may hold a secret. */
function troubleOf(error: unknown): string {
  if (!(error instanceof Error)) return "no answer";
  if (error.name === "TimeoutError") return `no answer within ${timeoutMs / 1_000} s`;
  const { code } = error as NodeJS.ErrnoException;
  return code === undefined ? "no answer" : `no answer (${code})`;
}
