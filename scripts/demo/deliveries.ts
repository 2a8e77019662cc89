import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/** One real event of GitHub's, from the webhook payloads that the community has collected. */
export interface Delivery {
  /** What GitHub sends as `X-GitHub-Event`. */
  readonly event: string;
  readonly payload: Readonly<Record<string, unknown>>;
  /** The payload as GitHub would send it. */
  readonly body: string;
}

interface ExampleSet {
  readonly name: string;
  readonly examples: readonly Record<string, unknown>[];
}

/** Payloads above this size are left out: a tenant's request body may have 1 MiB at most. */
const largestBodyBytes = 512 * 1024;

/** All example payloads of GitHub's webhooks, in a fixed order. */
export function loadDeliveries(): Delivery[] {
  const path = createRequire(import.meta.url).resolve("@octokit/webhooks-examples");
  const sets = JSON.parse(readFileSync(path, "utf8")) as ExampleSet[];
  return sets
    .flatMap(({ name, examples }) =>
      examples.map((payload) => ({ event: name, payload, body: JSON.stringify(payload) })),
    )
    .filter(({ body }) => body.length <= largestBodyBytes);
}

/** The login of who caused an event; GitHub sends it with every event that has somebody behind it. */
export function senderOf(payload: Readonly<Record<string, unknown>>): string {
  const sender = payload["sender"] as { login?: unknown } | undefined;
  return typeof sender?.login === "string" ? sender.login : "github";
}

/** A delivery as Pulse's `POST /v1/events` takes it: `value` is the payload's size in bytes. */
export function asEvent(delivery: Delivery, id: string, at: string): Record<string, unknown> {
  const action = delivery.payload["action"];
  const repository = delivery.payload["repository"] as { full_name?: unknown } | undefined;
  return {
    id,
    type: typeof action === "string" ? `${delivery.event}.${action}` : delivery.event,
    user: senderOf(delivery.payload),
    at,
    value: Buffer.byteLength(delivery.body),
    ...(typeof repository?.full_name === "string" ? { properties: { repository: repository.full_name } } : {}),
  };
}
