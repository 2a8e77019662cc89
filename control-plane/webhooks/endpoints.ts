import type { AddedWebhook, AddWebhook, WebhookAnswer } from "../../common/contracts/webhooks.ts";
import { isLoopback } from "../../common/net/address-policy.ts";
import { uuidv7 } from "../../common/uuid.ts";
import type { Clock } from "../../common/clock.ts";
import type { Pool, Queryable } from "../../common/postgres/pool.ts";
import { fail } from "../errors.ts";
import { whereTo, type AddressRules } from "../registry/cell-addresses.ts";
import { listCells } from "../registry/cells.store.ts";
import { change } from "../registry/change.ts";
import { listParts } from "../registry/parts.store.ts";
import type { WebhookClient } from "./client.ts";
import { newSecret } from "./signature.ts";
import { countEndpoints, deleteEndpoint, findEndpoint, insertEndpoint } from "./webhooks.store.ts";

/** Each is told everything; more than a handful is a matter for a message bus behind one of them. */
const mostEndpoints = 20;

type Wiring = { readonly pool: Pool; readonly clock: Clock };

/**
 * Adds a receiver. Its secret is in the answer and never shown again.
 * @throws webhook-refused for an address within the fleet, or where nobody should be sent; too-many-webhooks
 */
export async function addWebhook(
  wiring: Wiring,
  actor: string,
  { url, reason }: AddWebhook,
  rules: AddressRules,
): Promise<AddedWebhook> {
  const checked = await checkUrl(wiring.pool, url, rules);
  const endpoint = { id: uuidv7(wiring.clock.now()), url: checked.href, secret: newSecret() };
  const { result } = await change(wiring, { actor, reason }, async (step) => {
    if ((await countEndpoints(step.tx)) >= mostEndpoints)
      throw fail("too-many-webhooks", `There are ${mostEndpoints} already.`);
    const createdAt = await insertEndpoint(step.tx, endpoint, actor);
    // The path may hold a secret of the receiver's.
    step.audit("webhook.add", `${endpoint.id} (${checked.origin})`);
    return { ...endpoint, createdBy: actor, createdAt: createdAt.toISOString() };
  });
  return result;
}

/** Removes a receiver, with all that waits for it. @throws unknown-webhook */
export async function removeWebhook(wiring: Wiring, actor: string, id: string): Promise<void> {
  await change(wiring, { actor }, async (step) => {
    const url = await deleteEndpoint(step.tx, id);
    if (url === null) throw unknown(id);
    step.audit("webhook.remove", `${id} (${new URL(url).origin})`);
  });
}

/** Sends a message at once, and once. @throws unknown-webhook */
export async function testWebhook({ pool, clock }: Wiring, client: WebhookClient, id: string): Promise<WebhookAnswer> {
  const endpoint = await findEndpoint(pool, id);
  if (endpoint === null) throw unknown(id);
  const now = clock.now();
  const body = JSON.stringify({ type: "webhook.test", timestamp: new Date(now).toISOString(), data: {} });
  return await client.send(endpoint, { id: `test_${uuidv7(now)}`, body });
}

/** @throws unknown-webhook */
export async function knownWebhook(pool: Pool, id: string): Promise<void> {
  if ((await findEndpoint(pool, id)) === null) throw unknown(id);
}

async function checkUrl(db: Queryable, text: string, rules: AddressRules): Promise<URL> {
  const refuse = (why: string) => fail("webhook-refused", `The address ${why}.`);
  if (!URL.canParse(text)) throw refuse("is no URL");
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") throw refuse("is neither https nor http");
  if (url.username !== "" || url.password !== "") throw refuse("carries a name or a password");
  const { addresses, problem } = await whereTo(url, rules);
  if (problem !== null) throw refuse(problem);
  if (url.protocol === "http:" && !addresses.every(isLoopback))
    throw refuse("is http, which others can read: use https");
  if ((await ownOrigins(db)).has(url.origin)) throw refuse("is a part of this fleet");
  return url;
}

/** Where parts and cells listen: a signed message of ours must not look like one of theirs. */
async function ownOrigins(db: Queryable): Promise<ReadonlySet<string>> {
  const [parts, cells] = await Promise.all([listParts(db), listCells(db)]);
  const urls = [
    ...parts.flatMap(({ url }) => (url === null ? [] : [url])),
    ...cells.flatMap(({ slots: { a, b } }) =>
      [a, b].flatMap(({ url, adminUrl, workerUrl }) => [url, adminUrl, workerUrl]),
    ),
  ];
  return new Set(urls.filter((url) => URL.canParse(url)).map((url) => new URL(url).origin));
}

function unknown(id: string) {
  return fail("unknown-webhook", `There is no webhook ${id}.`);
}
