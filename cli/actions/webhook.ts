import type {
  AddedWebhook,
  AddWebhook,
  WebhookAnswer,
  WebhookDeliveries,
  WebhookList,
} from "../../common/contracts/webhooks.ts";
import type { Answer, Context } from "../context.ts";
import { exitCodes } from "../exit.ts";
import { table } from "../text.ts";

/** `webhook add` */
export async function addWebhook(
  context: Context,
  { url, reason }: { readonly url: string; readonly reason?: string },
): Promise<Answer> {
  const body: AddWebhook = { url, ...(reason === undefined ? {} : { reason }) };
  const added = await (await context.controlPlane()).post<AddedWebhook>("/v1/webhooks", body);
  const lines = [`id      ${added.id}`, `secret  ${added.secret}`, "", "The secret is not shown again."];
  return { json: added, text: lines.join("\n") };
}

/** `webhook list` */
export async function listWebhooks(context: Context): Promise<Answer> {
  const list = await (await context.controlPlane()).get<WebhookList>("/v1/webhooks");
  const rows = list.webhooks.map((one) => [
    one.id,
    one.state,
    one.delivered,
    one.pending,
    one.failed,
    one.lastError ?? "",
    one.url,
  ]);
  const text =
    rows.length === 0
      ? "Nobody is told. Add a receiver with `webhook add <url>`."
      : table(["ID", "STATE", "DELIVERED", "PENDING", "FAILED", "LAST ERROR", "URL"], rows);
  return { json: list, text };
}

/** `webhook show` */
export async function showWebhook(context: Context, { id }: { readonly id: string }): Promise<Answer> {
  const answer = await (await context.controlPlane()).get<WebhookDeliveries>(`${pathOf(id)}/deliveries`);
  const rows = answer.deliveries.map(({ createdAt, type, tries, deliveredAt, nextAt, error, message }) => [
    createdAt,
    type,
    tries,
    deliveredAt === null ? (nextAt === null ? "given up" : `next try ${nextAt}`) : `delivered ${deliveredAt}`,
    error ?? "",
    message,
  ]);
  return { json: answer, text: table(["SINCE", "TYPE", "TRIES", "STATE", "ERROR", "MESSAGE"], rows) };
}

/** `webhook test` */
export async function testWebhook(context: Context, { id }: { readonly id: string }): Promise<Answer> {
  const answer = await (await context.controlPlane()).post<WebhookAnswer>(`${pathOf(id)}/test`);
  const isTaken = answer.error === null;
  const text = isTaken ? `It was taken (${answer.status}).` : `It was not taken: ${answer.error}.`;
  return { json: answer, text, exit: isTaken ? exitCodes.done : exitCodes.failed };
}

/** `webhook remove` */
export async function removeWebhook(context: Context, { id }: { readonly id: string }): Promise<Answer> {
  await (await context.controlPlane()).delete<unknown>(pathOf(id));
  return { json: { id }, text: "It is told nothing any more." };
}

function pathOf(id: string): string {
  return `/v1/webhooks/${encodeURIComponent(id)}`;
}
